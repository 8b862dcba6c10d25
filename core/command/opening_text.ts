/**
 * What is said about opening a vault, apart from the code that opens one: whoever only mounts does not load that.
 *
 * @module
 */
import type { OpenedVolume } from "../volume/open_volume.ts";
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

/** What opening found that somebody has to be told. */
export function stateWarnings(medium: string, found: FoundState): string[] {
  const { skippedRoots, mediumDamage, unfinished } = found;
  const warnings = [...mediumDamage];
  if (skippedRoots.length > 0) {
    const newer = skippedRoots.join(", ");
    warnings.push(
      `Cannot open the newest state of "${medium}": root ${newer} is damaged; an older one is open`,
    );
  }
  // A sync that a crash met had promised nothing yet; but damage looks the same.
  if (unfinished) {
    warnings.push(
      `Cannot take over the last sync of "${medium}": its blocks are not there; ` +
        "a crash met it before it had finished, or they are damaged",
    );
  }
  return warnings;
}

type FoundState = Pick<OpenedVolume, "skippedRoots" | "mediumDamage" | "unfinished">;
