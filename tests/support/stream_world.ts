import { MemoryStorage } from "../../backends/memory/store.ts";
import type { StorageBackend } from "../../core/storage/storage_backend.ts";
import type { Vault } from "../../core/vault/vault.ts";
import type { ArenaKernel } from "./arena_kernel.ts";
import { describeVolume } from "./describe_volume.ts";
import { createKeyedVault, type KeyedVaultShape, openKeyedVault } from "./keyed_vault.ts";

const BLOCK_BYTES = 4096;

/** A vault that streams come from or go to, and memory to look at its blocks. */
export class StreamWorld {
  readonly vault: Vault;
  readonly #address: number;

  private constructor(vault: Vault, address: number) {
    this.vault = vault;
    this.#address = address;
  }

  /** An empty vault; other seeds have other keys. */
  static async make(
    kernel: ArenaKernel,
    keySeed: number,
    shape: KeyedVaultShape = {},
  ): Promise<StreamWorld> {
    kernel.reset();
    const medium = new MemoryStorage({});
    const made = { segments: 12, blockBytes: BLOCK_BYTES, ...shape };
    const vault = await createKeyedVault({ medium, kernel, keySeed }, made);
    return new StreamWorld(vault, kernel.reserve(made.blockBytes));
  }

  /** A vault that is there. */
  static open(kernel: ArenaKernel, keySeed: number, medium: StorageBackend): StreamWorld {
    kernel.reset();
    const vault = openKeyedVault({ medium, kernel, keySeed });
    return new StreamWorld(vault, kernel.reserve(BLOCK_BYTES));
  }

  /** All that a snapshot holds, in words that are the same in every vault. */
  describe(volume: string, snapshot: string): string {
    const store = this.vault.opened.volumes.openSnapshot(volume, snapshot);
    try {
      return describeVolume(store, this.#address);
    } finally {
      store.close();
    }
  }

  /** The same of what a volume holds now. */
  describeHead(volume: string): string {
    const { volumes } = this.vault.opened;
    const isOpen = volumes.recordOf(volume).id === this.vault.opened.volume.id;
    const opened = volumes.openVolume(volume);
    try {
      return describeVolume(opened, this.#address);
    } finally {
      if (!isOpen) volumes.closeVolume(opened);
    }
  }

  /** The names of volumes and their snapshots. */
  async list(): Promise<string[]> {
    const names: string[] = [];
    for (const { name } of await this.vault.volumes.list()) {
      const snapshots = (await this.vault.snapshots.list(name)).map((each) => each.name);
      names.push(`${name}: ${snapshots.join(" ")}`);
    }
    return names;
  }
}
