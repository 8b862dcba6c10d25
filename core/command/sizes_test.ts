import assert from "node:assert/strict";
import { VaultError } from "../errors.ts";
import { formatRate, formatSize, parseSize } from "./sizes.ts";

Deno.test("sizes: people's units are powers of 1,024", () => {
  assert.equal(parseSize("4096"), 4096);
  assert.equal(parseSize("16K"), 16384);
  assert.equal(parseSize("1.5MiB"), 1572864);
  assert.equal(parseSize("10gb"), 10 * 2 ** 30);
  for (const bad of ["", "ten", "-1", "1.0001", "1Z", "99999999T"]) {
    assert.throws(() => parseSize(bad), VaultError, bad);
  }
  assert.deepEqual([0, 1023, 1024, 1048575, 5 * 2 ** 40].map(formatSize), [
    "0 B",
    "1023 B",
    "1.0 KiB",
    "1.0 MiB",
    "5.0 TiB",
  ]);
  assert.equal(formatRate(1 << 20, 500), "2.0 MiB/s");
});
