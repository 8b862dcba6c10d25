/** A checksum that providers know. */
export type ChecksumName = "md5" | "crc32c" | "sha256";

/** A checksum over bytes that come one after the other. */
export interface Checksum {
  /** Takes the next bytes. */
  update(bytes: Uint8Array): void;
  /** Of all bytes; nothing can be taken after it. */
  digest(): Uint8Array<ArrayBuffer>;
}

/** Castagnoli's polynomial, its bits reversed. */
const CRC32C_POLYNOMIAL = 0x82f63b78;

/** Begins a checksum. */
export async function openChecksum(name: ChecksumName): Promise<Checksum> {
  const { createCRC32, createMD5, createSHA256 } = await import("hash-wasm");
  const makers = {
    md5: createMD5,
    crc32c: () => createCRC32(CRC32C_POLYNOMIAL),
    sha256: createSHA256,
  };
  const hasher = await makers[name]();
  hasher.init();
  return {
    update: (bytes) => void hasher.update(bytes),
    digest: () => new Uint8Array(hasher.digest("binary")),
  };
}

/** Passes bytes on, and takes them into a checksum. */
export async function* checksummed(
  chunks: AsyncIterable<Uint8Array>,
  checksum: Checksum,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    checksum.update(chunk);
    yield chunk;
  }
}
