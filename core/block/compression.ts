import process from "node:process";
import { BLOCK_BYTES_MAX } from "../format/map_entry.ts";

/** Whether blocks of one file are worth compressing. */
export interface CompressionTrials {
  /** True where the next block is to be tried. */
  isDue(): boolean;
  /** Told whether one that was tried takes fewer cells. */
  tried(saves: boolean): void;
}

/** Of zstd: fast enough for a stream; higher ones save a few percent more. */
const LEVEL = 1;
/** What frames of random bytes are longer than they are. */
const FRAME_BYTES = 1024;
const WINDOW_LOG_MIN = 10;
/** A block's. Of a frame that asks for more memory than this, nothing is decompressed. */
const WINDOW_LOG_MAX = Math.log2(BLOCK_BYTES_MAX);

type Zlib = typeof import("node:zlib");

let loaded: Zlib | undefined;

/** Loaded when it is first needed: it takes some milliseconds, which a vault without compression does not wait for. */
function zlib(): Zlib {
  return loaded ??= process.getBuiltinModule("node:zlib");
}

/** One zstd frame. The result is the caller's to wipe. */
export function compress(bytes: Uint8Array): Uint8Array {
  const { constants, zstdCompressSync } = zlib();
  const windowLog = Math.max(WINDOW_LOG_MIN, Math.ceil(Math.log2(bytes.length)));
  return zstdCompressSync(bytes, {
    // All of it in one go.
    chunkSize: bytes.length + FRAME_BYTES,
    params: {
      [constants.ZSTD_c_compressionLevel]: LEVEL,
      [constants.ZSTD_c_windowLog]: windowLog,
    },
  });
}

/** What a frame holds, where that is `length` bytes; else null. The result is the caller's to wipe. */
export function decompress(frame: Uint8Array, length: number): Uint8Array | null {
  const { constants, zstdDecompressSync } = zlib();
  try {
    const bytes = zstdDecompressSync(frame, {
      chunkSize: length + FRAME_BYTES,
      maxOutputLength: length,
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
    });
    if (bytes.length === length) return bytes;
    bytes.fill(0);
    return null;
  } catch {
    return null; // whatever is wrong with the frame: the vault's key has sealed it, and we did not write it
  }
}
