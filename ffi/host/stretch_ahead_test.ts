import assert from "node:assert/strict";
import { stretchPassphrase } from "../../core/crypto/argon2.ts";
import { HEADER_AREA_BYTES, SALT_BYTES } from "../../core/format/header.ts";
import { FAST_KDF, text } from "../../tests/support/header_world.ts";
import { stretchAhead } from "./stretch_ahead.ts";

const SECRET = { passphrase: text("secret") };

async function fileOf(bytes: Uint8Array): Promise<string> {
  const path = await Deno.makeTempFile();
  await Deno.writeFile(path, bytes);
  return path;
}

Deno.test("stretch ahead: it is what the salts of both headers' first copies give", async () => {
  const salts = [1, 2].map(() => crypto.getRandomValues(new Uint8Array(SALT_BYTES)));
  const path = await fileOf(new Uint8Array([...salts[0], 1, 2, 3]));
  const derived = await Promise.all(
    salts.map((salt) => stretchPassphrase({ ...SECRET, salt }, FAST_KDF)),
  );
  const begun = async () => (await stretchAhead(path, SECRET, FAST_KDF)).map(({ bytes }) => bytes);
  assert.deepEqual(await begun(), derived.slice(0, 1));
  using file = await Deno.open(path, { write: true });
  await file.seek(HEADER_AREA_BYTES, Deno.SeekMode.Start);
  await file.write(salts[1]);
  assert.deepEqual(await begun(), derived);
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
