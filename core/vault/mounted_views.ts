import type { Kernel } from "../crypto/kernel.ts";
import { EmptyDirectory } from "../fs/empty_directory.ts";
import { emptyAttributes, type FileSystemStatus } from "../fs/file_system.ts";
import { LeasedMemory } from "../fs/memory_lease.ts";
import { openFileSystem } from "../fs/posix_file_system.ts";
import type { View } from "../fs/view.ts";
import { ViewFileSystem } from "../fs/view_file_system.ts";
import { ROOT_INO } from "../format/volume_key.ts";
import { MIB, VIEW_BYTES_MAX } from "../limits.ts";
import type { SnapshotStore } from "../volume/snapshot_store.ts";
import { type OpenFiles, ViewCache } from "./lazy_view.ts";
import { SnapshotDirectory, VolumeRoot } from "./snapshot_views.ts";
import type { Vault } from "./vault.ts";
import { VolumesDirectory, type VolumesDirectoryParts } from "./volume_views.ts";

/** Of the memory that views may take, for cached blocks of each. */
const BLOCK_MEMORY_BYTES = MIB;

/** How a mount shows what there is beside the volume's files. */
export interface MountedViewsOptions {
  readonly kernel: Kernel;
  /** The directory of snapshots shows in listings. */
  readonly listSnapshots: boolean;
  /** All volumes, each as a directory; else the one that the vault was opened with. */
  readonly allVolumes?: boolean;
}

/** What a mount shows: the volume, or a directory for each; and their snapshots below `.snapshots`. */
export class MountedViews {
  /** For the driver. */
  readonly fileSystem: ViewFileSystem;
  readonly #cache = new ViewCache();
  readonly #memory: LeasedMemory;

  /** Over an open vault. */
  constructor(vault: Vault, { kernel, listSnapshots, allVolumes = false }: MountedViewsOptions) {
    this.#memory = new LeasedMemory(kernel, VIEW_BYTES_MAX);
    const { fileSystem, opened: { volumes, volume } } = vault;
    const root = emptyAttributes();
    fileSystem.getattr(ROOT_INO, root);
    const directory = (status: () => FileSystemStatus) =>
      new EmptyDirectory({
        owner: { uid: root.uid, gid: root.gid },
        time: { seconds: Math.floor(volume.runtime.now() / 1000), nanoseconds: 0 },
        status,
        syncAll: () => vault.views.syncAll(),
      });
    const open = (store: SnapshotStore) => this.#open(store);
    const cache = this.#cache;
    const snapshots = (up: View, id: number) => {
      const status = () => up.fileSystem.statfs();
      const parts = { volumes, volume: id, cache, directory: directory(status), open };
      return new SnapshotDirectory(up, parts);
    };
    this.fileSystem = new ViewFileSystem(
      allVolumes
        ? this.#all(vault, {
          directory: directory(() => fileSystem.statfs()),
          listSnapshots,
          snapshots,
        })
        : new VolumeRoot(() => fileSystem, {
          up: null,
          listed: listSnapshots,
          snapshots: (up) => snapshots(up, volume.id),
        }),
      vault.readOnly || (!allVolumes && fileSystem.readOnly),
    );
  }

  #all(
    { views, opened: { volume: { store } } }: Vault,
    parts: Omit<VolumesDirectoryParts, "volumes" | "hold">,
  ): VolumesDirectory {
    const all = new VolumesDirectory({
      ...parts,
      volumes: () => store.catalog.volumes(),
      hold: (name) => views.hold(name),
    });
    views.aboutToDelete = (volume) => all.letGo(volume);
    return all;
  }

  #open(store: SnapshotStore): OpenFiles {
    const memory = this.#memory.lease();
    try {
      const fileSystem = openFileSystem(store, { memory, blockMemoryBytes: BLOCK_MEMORY_BYTES });
      const close = () => {
        store.close();
        memory.release();
      };
      return { fileSystem, close };
    } catch (error) {
      memory.release();
      throw error;
    }
  }

  /** A second has passed: closes what nobody uses. */
  tick(): void {
    this.#cache.tick();
  }

  /** Closes all but the volume itself. */
  close(): void {
    this.#cache.closeAll();
  }
}
