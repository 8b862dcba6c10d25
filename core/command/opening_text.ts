/**
 * What is said about opening a vault, apart from the code that opens one: whoever only mounts does not load that.
 *
 * @module
 */
import type { KdfChoice, KdfProfileName } from "../crypto/argon2.ts";

/** The medium does not say how costly its derivation is, so a wrong passphrase is told by trying all. */
export function whyLong(profiles: readonly KdfProfileName[], tried?: KdfChoice): string {
  if (typeof tried === "string" && profiles.length > 1) {
    const nth = profiles.indexOf(tried) + 1;
    return `trying profile ${tried} (${nth} of ${profiles.length}); --kdf NAME tries one`;
  }
  return profiles.length > 1
    ? `trying the derivations ${profiles.join(", ")}; --kdf NAME tries one`
    : `deriving the key (${profiles[0]})`;
}

/** What to say where the newest roots do not open. */
export function olderStateText(medium: string, skippedRoots: readonly number[]): string {
  const newer = skippedRoots.join(", ");
  return `Cannot open the newest state of "${medium}": root ${newer} is damaged; an older one is open`;
}
