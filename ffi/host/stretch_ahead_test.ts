import assert from "node:assert/strict";
import { stretchPassphrase } from "../../core/crypto/argon2.ts";
import {
  HEADER_AREA_BYTES,
  HEADER_COPIES,
  headerOffset,
  SALT_BYTES,
  SPARSE_SAMPLE,
} from "../../core/format/header.ts";
import { FAST_KDF, text } from "../../tests/support/header_world.ts";
import { stretchAhead } from "./stretch_ahead.ts";

const SECRET = { passphrase: text("secret") };

async function fileOf(bytes: Uint8Array): Promise<string> {
  const path = await Deno.makeTempFile();
  await Deno.writeFile(path, bytes);
  return path;
}

Deno.test("stretch ahead: it is what the salts of the first copies of all headers give that may be there", async () => {
  const noise = new Uint8Array(2 * HEADER_AREA_BYTES).map((_, at) => at * 7 + (at >> 12));
  const salts = [0, HEADER_AREA_BYTES].map((at) => noise.slice(at, at + SALT_BYTES));
  const derived = await Promise.all(
    salts.map((salt) => stretchPassphrase({ ...SECRET, salt }, FAST_KDF)),
  );
  const path = await fileOf(noise);
  const begun = async () => (await stretchAhead(path, SECRET, FAST_KDF)).map(({ bytes }) => bytes);
  assert.deepEqual(await begun(), derived);
  using file = await Deno.open(path, { write: true });
  // A sparse vault has holes there, and no second header.
  for (const copy of HEADER_COPIES) {
    await file.seek(headerOffset(copy) + SPARSE_SAMPLE.offset, Deno.SeekMode.Start);
    await file.write(new Uint8Array(SPARSE_SAMPLE.bytes));
  }
  assert.deepEqual(await begun(), derived.slice(0, 1));
  await file.truncate(SALT_BYTES);
  assert.deepEqual(await begun(), derived.slice(0, 1));
  await Deno.remove(path);
});

Deno.test("stretch ahead: where there is no salt or nothing to stretch, there is nothing", async () => {
  const short = await fileOf(new Uint8Array(SALT_BYTES - 1));
  const whole = await fileOf(new Uint8Array(SALT_BYTES));
  assert.deepEqual(await stretchAhead(short, SECRET, FAST_KDF), []);
  assert.deepEqual(await stretchAhead(`${short}.missing`, SECRET, FAST_KDF), []);
  assert.deepEqual(await stretchAhead("/dev/null", SECRET, FAST_KDF), []);
  assert.deepEqual(await stretchAhead(null, SECRET, FAST_KDF), []);
  assert.deepEqual(await stretchAhead(whole, { device: true }, FAST_KDF), []);
  await Deno.remove(short);
  await Deno.remove(whole);
});
