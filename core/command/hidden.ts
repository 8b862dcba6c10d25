import type { KdfProfileName } from "../crypto/argon2.ts";
import { CELL_BYTES } from "../limits.ts";
import { createHiddenVault } from "../vault/hidden_vault.ts";
import { type VaultTarget, withSecret } from "./open.ts";
import { agreeToTouchFree } from "./protect.ts";
import { newPassphrase, type NewSecretOptions } from "./secrets.ts";
import { formatSize } from "./sizes.ts";

/** What `hidden create` is told. */
export interface CreateHiddenOptions extends NewSecretOptions {
  readonly size: number;
  readonly blockSize?: number;
  readonly newKdf?: KdfProfileName;
  readonly label?: string;
  readonly yes?: boolean;
}

/** What was made. */
export interface CreateHiddenReport {
  readonly medium: string;
  /** Bytes that its files can take. */
  readonly totalBytes: number;
}

/** `hidden create`: a second vault in what the first one has never used. */
export async function createHidden(
  target: VaultTarget,
  options: CreateHiddenOptions,
): Promise<CreateHiddenReport> {
  const { host, medium } = target;
  const { newPassphraseFile, newPassphraseFd, newKdf: kdf, label, yes = false } = options;
  return await withSecret(target, "write", async ({ parts, secret: outer, profiles, waiting }) => {
    await agreeToTouchFree(host, medium, yes);
    const source = newPassphraseFile ?? newPassphraseFd;
    const secret = {
      passphrase: await newPassphrase(host, source, "Passphrase of the hidden vault"),
    };
    try {
      const root = { ...host.owner(), mode: 0o755 };
      const shape = { sizeBytes: options.size, blockBytes: options.blockSize, root };
      const opening = { outer, outerProfiles: profiles, secret, kdf, label };
      await using vault = await waiting(() => createHiddenVault(parts, { ...opening, ...shape }));
      const { totalCells } = vault.opened.volume.space();
      return { medium, totalBytes: totalCells * CELL_BYTES };
    } finally {
      secret.passphrase.fill(0);
    }
  });
}

/** For people. */
export function createHiddenText({ medium, totalBytes }: CreateHiddenReport): string {
  return `hidden in ${medium}: ${formatSize(totalBytes)}, opened by its passphrase\n` +
    "writing to the outer vault destroys it, but with --protect-hidden\n";
}
