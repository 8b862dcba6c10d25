import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { checksummed, type ChecksumName, openChecksum } from "./checksums.ts";

const text = (value: string) => new TextEncoder().encode(value);

async function checksumIn(name: ChecksumName, chunks: readonly Uint8Array[]): Promise<string> {
  const checksum = await openChecksum(name);
  for (const chunk of chunks) checksum.update(chunk);
  return checksum.digest().toHex();
}

Deno.test("checksums: known values", async () => {
  const digits = [text("123456789")];
  // RFC 3720 appendix B.4 has CRC32C; the check value of "123456789" is in every catalogue of CRCs.
  assert.equal(await checksumIn("crc32c", digits), "e3069283");
  assert.equal(await checksumIn("crc32c", [new Uint8Array(32)]), "8a9136aa");
  assert.equal(await checksumIn("md5", [text("abc")]), "900150983cd24fb0d6963f7d28e17f72");
  assert.equal(
    await checksumIn("sha256", [text("abc")]),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});

Deno.test("checksums: how bytes are cut does not matter, and two at once are two", async () => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
  await fc.assert(fc.asyncProperty(chunks, chunks, async (ours, theirs) => {
    for (const name of ["md5", "sha256"] as const) {
      const [one, other] = [await openChecksum(name), await openChecksum(name)];
      for (let i = 0; i < Math.max(ours.length, theirs.length); i++) {
        if (i < ours.length) one.update(ours[i]);
        if (i < theirs.length) other.update(theirs[i]);
      }
      const wanted = (parts: readonly Uint8Array[]) => {
        const hash = createHash(name);
        for (const part of parts) hash.update(part);
        return hash.digest("hex");
      };
      assert.equal(one.digest().toHex(), wanted(ours));
      assert.equal(other.digest().toHex(), wanted(theirs));
    }
  }));
});

Deno.test("checksums: bytes pass as they are", async () => {
  const checksum = await openChecksum("sha256");
  const source = ReadableStream.from([text("a"), text("bc")]);
  const passed: string[] = [];
  for await (const chunk of checksummed(source, checksum)) {
    passed.push(new TextDecoder().decode(chunk));
  }
  assert.deepEqual(passed, ["a", "bc"]);
  assert.equal(checksum.digest().toHex(), await checksumIn("sha256", [text("abc")]));
});
