import { VaultError } from "./errors.ts";

/** Clock and randomness: the only way core sees either, so that tests can replace them. */
export interface Runtime {
  /** Milliseconds since 1970, with a fraction where the system has one. */
  now(): number;
  /** Fills `bytes` from a cryptographic generator. `bytes` is never shared memory. */
  random(bytes: Uint8Array<ArrayBuffer>): void;
}

/** Bytes that one call of WebCrypto's generator gives at most. */
const RANDOM_BYTES_MAX = 65536;

/** The real clock and the system's generator. */
export const systemRuntime: Runtime = {
  now: () => performance.timeOrigin + performance.now(),
  random(bytes) {
    for (let at = 0; at < bytes.length; at += RANDOM_BYTES_MAX) {
      crypto.getRandomValues(bytes.subarray(at, at + RANDOM_BYTES_MAX));
    }
  },
};

/** Checks that `value` is an integer within bounds, for options that come from a caller. */
export function checkInteger(name: string, value: number, bounds: [number, number]): void {
  const [min, max] = bounds;
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw new VaultError(
      "invalid",
      `Cannot use ${name} ${String(value)}: want ${min} to ${max}`,
    );
  }
}
