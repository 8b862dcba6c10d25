/** Many files at a time, and one after the other. */
import type { Contender } from "./contenders.ts";
import { head, quantile, row, samples, timed } from "./table.ts";

const ROUNDS = 5;
const LOADS = [
  { count: 1000, bytes: 4096, parallel: 16 },
  { count: 64, bytes: 4 * 1024 * 1024, parallel: 4 },
];
const SINGLE = { count: 300, bytes: 4096 };

async function inParallel(
  { count, parallel }: { readonly count: number; readonly parallel: number },
  work: (i: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: parallel }, lane));
}

function contentOf(bytes: number): Uint8Array {
  const piece = crypto.getRandomValues(new Uint8Array(4096));
  const content = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += piece.length) content.set(piece, at);
  return content;
}

async function checkedGet({ name, get }: Contender, path: string, bytes: number): Promise<void> {
  const { length } = await get(path);
  if (length !== bytes) throw new Error(`${name} gave ${length} bytes`);
}

/** Several at a time: rounds alternate between the contenders. */
export async function measureRates(contenders: readonly Contender[]): Promise<void> {
  head("milliseconds, medians", contenders);
  for (const load of LOADS) {
    const content = contentOf(load.bytes);
    const puts = samples(contenders), gets = samples(contenders);
    const path = (i: number) => `rates/${load.bytes}/${i}`;
    for (let round = 0; round < ROUNDS; round++) {
      for (const each of contenders) {
        const put = () => inParallel(load, (i) => each.put(path(i), content));
        const get = () => inParallel(load, (i) => checkedGet(each, path(i), load.bytes));
        puts.get(each.name)!.push(await timed(put));
        gets.get(each.name)!.push(await timed(get));
      }
    }
    const size = `${load.count} × ${load.bytes / 1024} KiB, ${load.parallel} lanes`;
    row(`put ${size}`, puts);
    row(`get ${size}`, gets);
  }
}

/** One after the other: calls alternate between the contenders. */
export async function measureLatency(contenders: readonly Contender[]): Promise<void> {
  head("milliseconds of one call", contenders);
  const content = contentOf(SINGLE.bytes);
  const puts = samples(contenders), gets = samples(contenders);
  for (let i = 0; i < SINGLE.count; i++) {
    for (const each of contenders) {
      const path = `latency/${i}`;
      puts.get(each.name)!.push(await timed(() => each.put(path, content)));
      gets.get(each.name)!.push(await timed(() => checkedGet(each, path, SINGLE.bytes)));
    }
  }
  for (const [text, figures] of [["put 4 KiB", puts], ["get 4 KiB", gets]] as const) {
    row(`${text}, median`, figures);
    row(`${text}, p95`, figures, quantile(0.95));
  }
}
