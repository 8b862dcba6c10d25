import type { Vault } from "../../core/vault/vault.ts";

/** How to keep objects in a vault. */
export interface VaultObjectsConfig {
  /** An open vault. */
  readonly vault: Vault;
  /** Closing the store closes the vault; else it stays open. */
  readonly closing?: boolean;
  /** The directory whose files are the objects; the root directory unless given. */
  readonly directory?: string;
}
