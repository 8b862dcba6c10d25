import type { Vault } from "../../core/vault/vault.ts";

/** How to keep objects in a vault. */
export interface VaultObjectsConfig {
  /** An open vault; closing the store leaves it open. */
  readonly vault: Vault;
  /** The directory whose files are the objects; the root directory unless given. */
  readonly directory?: string;
}
