/**
 * Writes files into a directory and says on its output what it begins and what has been synced, until it fails or is
 * killed. Arguments: the directory, a seed.
 *
 * A line `put NAME LENGTH TAG` (a file of its own), `move NAME LENGTH TAG` (written elsewhere, then renamed over an older
 * one of that name) or `remove NAME` begins something; the line `done` acknowledges it.
 */
import { RandomStream } from "./random_stream.ts";

/** Longest file, in 32-bit words. */
const WORDS_MAX = 60_000;

/** What a file holds: words that follow from its tag and their place. */
export function contentOf(tag: number, length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(tag + i, 0x9e3779b1) ^ tag;
  return new Uint8Array(words.buffer, 0, length);
}

function writeSynced(path: string, bytes: Uint8Array, random: RandomStream): void {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  for (let at = 0; at < bytes.length;) {
    at += file.writeSync(bytes.subarray(at, at + 1 + random.below(60_000)));
  }
  if (random.chance(0.5)) file.syncSync();
  else file.syncDataSync();
}

function syncDirectory(path: string): void {
  using directory = Deno.openSync(path, { read: true });
  directory.syncSync();
}

function main(directory: string, seed: number): void {
  const random = new RandomStream(seed);
  const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const kept: string[] = [];
  for (let n = 0;; n++) {
    const tag = random.bits();
    const small = random.chance(0.6);
    const bytes = contentOf(tag, random.below(small ? 3000 : 4 * WORDS_MAX));
    const kind = random.below(5);
    if (kind === 0) {
      const name = `replaced${random.below(3)}`;
      say(`move ${name} ${bytes.length} ${tag}`);
      writeSynced(`${directory}/fresh`, bytes, random);
      Deno.renameSync(`${directory}/fresh`, `${directory}/${name}`);
      syncDirectory(directory);
    } else if (kind === 1 && kept.length > 0) {
      const [name] = kept.splice(random.below(kept.length), 1);
      say(`remove ${name}`);
      Deno.removeSync(`${directory}/${name}`);
      syncDirectory(directory);
    } else {
      const name = `file${n}`;
      say(`put ${name} ${bytes.length} ${tag}`);
      writeSynced(`${directory}/${name}`, bytes, random);
      kept.push(name);
    }
    say("done");
  }
}

if (import.meta.main) main(Deno.args[0], Number(Deno.args[1]));
