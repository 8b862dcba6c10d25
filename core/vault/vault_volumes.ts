import { VaultError } from "../errors.ts";
import { CELL_BYTES } from "../limits.ts";
import type { Engine } from "../volume/engine.ts";
import type { VolumeProperties } from "../volume/volume_properties.ts";
import type { VolumeStatus } from "../volume/volume_status.ts";
import type { Volumes } from "../volume/volumes.ts";
import type { OpenViews, OpenVolume } from "./open_views.ts";
import { type Enter, whenFree } from "./transactions.ts";
import { nextTurn } from "../turn.ts";

/** What `vault.volumes` and `vault.snapshots` stand on. */
export interface VolumesParts {
  readonly volumes: Volumes;
  readonly engine: Engine;
  readonly views: OpenViews;
  /** Waits while a transaction is open. */
  readonly enter: Enter;
  /** Name of the volume that `vault.files` shows. */
  readonly first: () => string;
}

/** How to free what was deleted. */
export interface FreeOptions {
  /** Told how many bytes have come free. */
  readonly progress?: (freedBytes: number) => void;
  /** Stops early; the rest is freed later. */
  readonly signal?: AbortSignal;
}

/**
 * The volumes of a vault: trees of files side by side, which share its space.
 *
 * @example
 * ```ts
 * import { createVault } from "@sigmavault/sigmavault";
 * import assert from "node:assert/strict";
 * await using vault = await createVault({ medium: "memory:", passphrase: "correct horse" });
 * await vault.volumes.create("photos");
 * {
 *   await using photos = await vault.volumes.open("photos");
 *   await photos.files.writeFile("/one", "a picture");
 * }
 * const names = (await vault.volumes.list()).map(({ name }) => name);
 * assert.deepEqual(names, ["main", "photos"]);
 * await vault.volumes.delete("photos");
 * ```
 */
export class VaultVolumes {
  readonly #parts: VolumesParts;

  /**
   * Use `vault.volumes`.
   *
   * @internal
   */
  constructor(parts: VolumesParts) {
    this.#parts = parts;
  }

  /** All volumes, in the order they were made. */
  list(): Promise<VolumeStatus[]> {
    return whenFree(this.#parts.enter, () => {
      this.#parts.views.flush();
      return this.#parts.volumes.listVolumes();
    });
  }

  /** Makes an empty volume. */
  async create(name: string, properties: VolumeProperties = {}): Promise<void> {
    await whenFree(this.#parts.enter, () => this.#parts.volumes.createVolume(name, properties));
    // Opening makes its root directory: a snapshot of it can be opened from now on.
    await (await this.open(name)).close();
  }

  /** Opens a volume. Close it when it is not needed any more. */
  open(name: string): Promise<OpenVolume> {
    return whenFree(this.#parts.enter, () => this.#parts.views.volume(name));
  }

  /** Changes properties of a volume; those not given stay. */
  set(name: string, properties: VolumeProperties): Promise<void> {
    return whenFree(
      this.#parts.enter,
      () => this.#parts.volumes.setProperties(name, properties),
    );
  }

  /** Gives a volume another name. */
  rename(name: string, to: string): Promise<void> {
    return whenFree(this.#parts.enter, () => this.#parts.volumes.renameVolume(name, to));
  }

  /**
   * Deletes a volume that nobody has open, with its snapshots. The space comes free in the background: `free` does it now. What
   * clones share stays theirs.
   */
  delete(name: string): Promise<void> {
    return whenFree(this.#parts.enter, () => {
      if (name === this.#parts.first()) {
        throw new VaultError(
          "conflict",
          `Cannot delete volume "${name}": it is the vault's first; delete what it holds`,
        );
      }
      this.#parts.views.aboutToDelete(this.#parts.volumes.recordOf(name).id);
      this.#parts.volumes.deleteVolume(name);
    });
  }

  /** Frees all that deleted volumes and snapshots held; otherwise a mount's idle time and `vault.close` do it bit by bit. */
  async free(options: FreeOptions = {}): Promise<void> {
    const { enter, volumes, engine } = this.#parts;
    let freedBytes = 0;
    for (let waits = true; waits;) {
      options.signal?.throwIfAborted();
      waits = await whenFree(enter, () => {
        const before = unusedCells(engine);
        const more = volumes.destroyStep();
        freedBytes += Math.max(0, unusedCells(engine) - before) * CELL_BYTES;
        return more;
      });
      options.progress?.(freedBytes);
      // Others get their turn.
      await nextTurn();
    }
    await whenFree(enter, () => engine.commitNow());
  }
}

/** Cells that are free, or will be when they have rested. */
function unusedCells({ store: { space } }: Engine): number {
  return space.freeCells + space.resting.cells;
}
