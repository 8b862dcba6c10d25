import assert from "node:assert/strict";
import { stretchPassphrase } from "../../core/crypto/argon2.ts";
import { SALT_BYTES } from "../../core/format/header.ts";
import { FAST_KDF, text } from "../../tests/support/header_world.ts";
import { stretchAhead } from "./stretch_ahead.ts";

const SECRET = { passphrase: text("secret") };

async function fileOf(bytes: Uint8Array): Promise<string> {
  const path = await Deno.makeTempFile();
  await Deno.writeFile(path, bytes);
  return path;
}

Deno.test("stretch ahead: it is what the first header copy's salt gives", async () => {
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const path = await fileOf(new Uint8Array([...salt, 1, 2, 3]));
  const begun = await stretchAhead(path, SECRET, FAST_KDF);
  assert.deepEqual(begun?.salt, salt);
  assert.deepEqual(begun?.bytes, await stretchPassphrase({ ...SECRET, salt }, FAST_KDF));
  await Deno.remove(path);
});

Deno.test("stretch ahead: where there is no salt or nothing to stretch, there is nothing", async () => {
  const short = await fileOf(new Uint8Array(SALT_BYTES - 1));
  const whole = await fileOf(new Uint8Array(SALT_BYTES));
  assert.equal(await stretchAhead(short, SECRET, FAST_KDF), null);
  assert.equal(await stretchAhead(`${short}.missing`, SECRET, FAST_KDF), null);
  assert.equal(await stretchAhead("/dev/null", SECRET, FAST_KDF), null);
  assert.equal(await stretchAhead(null, SECRET, FAST_KDF), null);
  assert.equal(await stretchAhead(whole, { device: true }, FAST_KDF), null);
  await Deno.remove(short);
  await Deno.remove(whole);
});
