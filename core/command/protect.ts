/**
 * What protects a hidden vault: leaving it alone while the outer one is written, and a question before anything else
 * touches free cells.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import type { HiddenPlace } from "../format/hidden_place.ts";
import { findHiddenPlace } from "../vault/hidden_vault.ts";
import type { Host, OpenedParts } from "./host.ts";
import { whyLong } from "./opening_text.ts";
import {
  hiddenSecretFor,
  profilesOf,
  type ProtectOptions,
  type SecretOptions,
  wantsProtection,
  wipeSecret,
} from "./secrets.ts";
import { confirm } from "./terminal/prompt.ts";
import { showWaiting } from "./terminal/waiting.ts";

/** Where the hidden vault lies that a verb shall leave alone; undefined where nobody asks for that. */
export async function placeToProtect(
  host: Host,
  parts: OpenedParts,
  options: ProtectOptions & SecretOptions,
): Promise<HiddenPlace | undefined> {
  if (!wantsProtection(options)) return undefined;
  const secret = await hiddenSecretFor(host, parts.medium.name, options);
  const profiles = profilesOf(options);
  try {
    const find = () => findHiddenPlace(parts, { secret, profiles });
    return await showWaiting(host.err, () => whyLong(profiles), find);
  } finally {
    wipeSecret(secret);
  }
}

/**
 * Asks before free cells of a dense vault are overwritten or cut off. Every dense vault asks, in the same words: nobody
 * can see whether a hidden one lies there.
 */
export async function agreeToTouchFree(
  host: Host,
  medium: string,
  yes: boolean,
): Promise<void> {
  if (yes) return;
  const warning =
    `"${medium}" is dense: this touches free cells, and a hidden vault in them would be lost`;
  if (await confirm(host, `${warning}. Go on?`)) return;
  throw new VaultError(
    "conflict",
    `Cannot go on: ${warning}; confirm at the question, or use --yes`,
  );
}
