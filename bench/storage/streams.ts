/** One large file as a stream. */
import type { Contender } from "./contenders.ts";
import { head, row, samples, timed } from "./table.ts";

const ROUNDS = 5;
const MIB = 1024 * 1024;
const BYTES = 100 * MIB;
const CHUNK = 64 * 1024;

function source(): ReadableStream<Uint8Array> {
  let left = BYTES;
  return new ReadableStream({
    pull(controller) {
      if (left === 0) return controller.close();
      left -= CHUNK;
      controller.enqueue(new Uint8Array(CHUNK).fill(left & 255));
    },
  }, { highWaterMark: 0 });
}

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<void> {
  let seen = 0;
  for await (const { length } of stream) seen += length;
  if (seen !== BYTES) throw new Error(`${seen} bytes came`);
}

/** 100 MiB up and down. */
export async function measureStreams(contenders: readonly Contender[]): Promise<void> {
  head("stream of 100 MiB, MB/s", contenders);
  const up = samples(contenders), down = samples(contenders);
  const rate = (milliseconds: number) => BYTES / 1000 / milliseconds;
  for (let round = 0; round < ROUNDS; round++) {
    for (const each of contenders) {
      const put = () => each.putStream("stream", source(), BYTES);
      const get = async () => await readAll(await each.getStream("stream"));
      up.get(each.name)!.push(rate(await timed(put)));
      down.get(each.name)!.push(rate(await timed(get)));
    }
  }
  row("up", up);
  row("down", down);
}
