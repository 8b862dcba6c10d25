/**
 * Deriving a key takes most of the time of opening a vault, and needs nothing but a passphrase and 32 bytes of the medium. So a
 * program begins it before it loads and starts whatever opens the vault, and hands the result on.
 *
 * @module
 */
import { compare, wipe } from "../bytes.ts";
import { type KdfChoice, kdfParameters, type Stretch, stretchPassphrase } from "./argon2.ts";

/** What a passphrase was stretched to, and what else it depends on. */
export interface Stretched {
  readonly salt: Uint8Array;
  readonly kdf: KdfChoice;
  /** Secret: who takes part in a hand-over wipes its own copy. */
  readonly bytes: Uint8Array<ArrayBuffer>;
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

/** Overwrites what was begun, as soon as it is there. */
export async function wipeAhead(ahead: Promise<readonly Stretched[]>): Promise<void> {
  wipe(...(await ahead).map(({ bytes }) => bytes));
}

function sameCost(one: KdfChoice, other: KdfChoice): boolean {
  const a = kdfParameters(one), b = kdfParameters(other);
  return a.memoryKib === b.memoryKib && a.passes === b.passes && a.parallelism === b.parallelism;
}
