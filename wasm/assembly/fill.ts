/** Random bytes in bulk, wiping, and HChaCha20 for the native lane. */
import { chachaStream } from "./generated/chacha";
import { begin, nextBlock, subkey } from "./chacha20";
import { inside, OUT_OF_BOUNDS, STATE, STREAM, wipeSecrets } from "./scratch";

/** Key stream of `seed` under the zero nonce; a seed serves once. */
export function fillRandom(at: usize, length: u32, seed: usize): i32 {
  if (!inside(at, length) || !inside(seed, 32)) return OUT_OF_BOUNDS;
  begin(seed, 0, 0);
  const body = length & ~255;
  if (body) chachaStream(at, body >> 8, STATE);
  for (let done = body; done < length; done += 64) {
    nextBlock();
    memory.copy(at + done, STREAM, min<u32>(64, length - done));
  }
  wipeSecrets();
  return 0;
}

export function wipe(at: usize, length: u32): i32 {
  if (!inside(at, length)) return OUT_OF_BOUNDS;
  memory.fill(at, 0, length);
  return 0;
}

export function hchacha(out: usize, key: usize, nonce: usize): i32 {
  if (!inside(out, 32) || !inside(key, 32) || !inside(nonce, 16)) return OUT_OF_BOUNDS;
  subkey(out, key, nonce);
  wipeSecrets();
  return 0;
}
