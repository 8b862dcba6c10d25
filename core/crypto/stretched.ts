/**
 * Deriving a key takes most of the time of opening a vault, and needs nothing but a passphrase and 32 bytes of the medium. So a
 * program begins it before it loads and starts whatever opens the vault, and hands the result on.
 *
 * @module
 */
import { compare, wipe } from "../bytes.ts";
import {
  deriveAll,
  type KdfChoice,
  kdfParameters,
  type Stretch,
  stretchPassphrase,
} from "./argon2.ts";

/** What a passphrase was stretched to, and what else it depends on. */
export interface Stretched {
  readonly salt: Uint8Array;
  readonly kdf: KdfChoice;
  /** Secret: who takes part in a hand-over wipes its own copy. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What a header that is yet to be written begins with: its salts are drawn, so that deriving its keys could begin. */
export interface BegunHeader {
  /** Of its two copies. For one header only: no two may share a salt. */
  readonly salts: readonly [Uint8Array, Uint8Array];
  readonly stretch: Stretch;
}

/**
 * Begins to stretch a passphrase under each salt. None where that does not work: whoever needs one then does it itself, and says what
 * is wrong. The caller wipes the passphrase when this is done, not before.
 */
export async function stretchUnder(
  salts: readonly Uint8Array[],
  passphrase: Uint8Array,
  kdf: KdfChoice,
): Promise<Stretched[]> {
  try {
    const runs = salts.map((salt) => async () => {
      return { salt, kdf, bytes: await stretchPassphrase({ passphrase, salt }, kdf) };
    });
    return await deriveAll(runs, { kdf, wipe: ({ bytes }) => wipe(bytes) });
  } catch {
    return [];
  }
}

/** Waits for what was begun and takes it where it is what is asked for; everything else is derived then. */
export function takingAhead(ahead: Promise<readonly Stretched[]>): Stretch {
  return async (input, kdf) => {
    const fits = (begun: Stretched) =>
      sameCost(begun.kdf, kdf) && compare(begun.salt, input.salt) === 0;
    const found = (await ahead).find(fits);
    return found !== undefined ? found.bytes.slice() : await stretchPassphrase(input, kdf);
  };
}

/** Overwrites what was begun, as soon as it is there; what was moved to another thread is not here any more. */
export async function wipeAhead(ahead: Promise<readonly Stretched[]>): Promise<void> {
  wipe(...(await ahead).map(({ bytes }) => bytes).filter(({ buffer }) => !buffer.detached));
}

function sameCost(one: KdfChoice, other: KdfChoice): boolean {
  const a = kdfParameters(one), b = kdfParameters(other);
  return a.memoryKib === b.memoryKib && a.passes === b.passes && a.parallelism === b.parallelism;
}
