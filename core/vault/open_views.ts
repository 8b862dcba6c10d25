import type { Kernel } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import { LeasedMemory, type MemoryLease } from "../fs/memory_lease.ts";
import { openFileSystem, type PosixFileSystem } from "../fs/posix_file_system.ts";
import { MIB, VIEW_BYTES_MAX } from "../limits.ts";
import type { OpenedVolume } from "../volume/open_volume.ts";
import type { SnapshotName } from "../volume/volume_status.ts";
import type { Volume } from "../volume/volume.ts";
import type { SnapshotStore } from "../volume/snapshot_store.ts";
import type { FileLocks } from "./file_locks.ts";
import { FileTransfer } from "./file_transfer.ts";
import { VaultFiles } from "./files.ts";
import { asPathError } from "./path_failure.ts";
import { type Enter, whenFree } from "./transactions.ts";

/** Of the memory that all of them may take, for dirty and cached blocks of each. */
const BLOCK_MEMORY_BYTES = MIB;

/** What the volumes and snapshots of a vault are opened with. */
export interface OpenViewsParts {
  readonly opened: OpenedVolume;
  readonly kernel: Kernel;
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly noatime?: boolean;
  /** Kernel memory that all of them may take; `VIEW_BYTES_MAX` unless given. */
  readonly bytesMax?: number;
  /** Waits while a transaction is open. */
  readonly enter: Enter;
  readonly enterToClose: Enter;
  /** The vault's first volume, which is open already. */
  readonly first: PosixFileSystem;
  readonly locks: FileLocks;
  /** Files of the first volume. */
  readonly makeFiles: (enter: Enter) => VaultFiles;
}

/** A filesystem with its memory. */
interface Mounted {
  readonly fileSystem: PosixFileSystem;
  readonly transfer: FileTransfer;
  readonly line: number;
  uses: number;
  /** Gives back what it has taken. */
  release(): void;
}

/** A volume that a mount shows. */
export interface HeldVolume {
  readonly fileSystem: PosixFileSystem;
  /** Nobody uses it any more. */
  release(): void;
}

/** A volume or a snapshot that is open. Close it, or `await using`. */
export class OpenVolume implements AsyncDisposable {
  /** Its files, by path: of a snapshot, for reading only. */
  readonly files: VaultFiles;
  /** True where nothing can be changed. */
  readonly readOnly: boolean;
  readonly #release: () => Promise<void>;
  #open = true;

  /**
   * Use `vault.volumes.open` or `vault.snapshots.open`.
   *
   * @internal
   */
  constructor(parts: {
    readonly readOnly: boolean;
    readonly enter: Enter;
    readonly makeFiles: (enter: Enter) => VaultFiles;
    readonly release: () => Promise<void>;
  }) {
    this.readOnly = parts.readOnly;
    this.#release = parts.release;
    this.files = parts.makeFiles(() => {
      if (this.#open) return parts.enter();
      throw new VaultError("invalid", "Cannot use files of a volume that is closed: open it again");
    });
  }

  /** Makes what was changed durable, and lets its memory go. Idempotent. */
  async close(): Promise<void> {
    if (!this.#open) return;
    this.files.releaseAll();
    this.#open = false;
    await this.#release();
  }

  /** Closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The volumes and snapshots that are open beside a vault's first volume. */
export class OpenViews {
  readonly #parts: OpenViewsParts;
  readonly #memory: LeasedMemory;
  readonly #volumes = new Map<Volume, Mounted>();
  readonly #open = new Set<OpenVolume>();

  constructor(parts: OpenViewsParts) {
    this.#parts = parts;
    this.#memory = new LeasedMemory(parts.kernel, parts.bytesMax ?? VIEW_BYTES_MAX);
  }

  /** Told of a volume that is about to be deleted: whoever holds it may let it go. */
  aboutToDelete: (volume: number) => void = () => {};

  /** Opens the files of a volume for a mount, beside whoever has it open by name: over one filesystem. */
  hold(name: string): HeldVolume {
    const { opened: { volumes, volume: first }, first: fileSystem } = this.#parts;
    const volume = volumes.openVolume(name);
    if (volume === first) return { fileSystem, release: () => {} };
    const mounted = this.#mountedVolume(volume);
    mounted.uses++;
    return { fileSystem: mounted.fileSystem, release: () => this.#unmount(volume, mounted) };
  }

  /** The first volume's files, and those of all others that are open. */
  get fileSystems(): PosixFileSystem[] {
    const others = [...this.#volumes.values()].map(({ fileSystem }) => fileSystem);
    return [this.#parts.first, ...others];
  }

  /** True where something of theirs is not in a root yet. */
  get hasUncommitted(): boolean {
    return this.fileSystems.some(({ readOnly, hasUncommitted }) => !readOnly && hasUncommitted);
  }

  /** Makes everything durable: a root takes in what every one of them holds. */
  async syncAll(): Promise<void> {
    await this.fileSystems.find(({ readOnly }) => !readOnly)?.syncAll();
    this.throwLost();
  }

  /** Tells whoever makes everything durable of data that was given up. */
  throwLost(): void {
    for (const fileSystem of this.fileSystems) {
      const lost = fileSystem.takeFailure();
      if (lost !== undefined) throw lost;
    }
  }

  #unmount(volume: Volume, mounted: Mounted): void {
    if (--mounted.uses > 0) return;
    this.#parts.opened.volumes.closeVolume(volume);
    this.#volumes.delete(volume);
    mounted.release();
    const lost = mounted.fileSystem.takeFailure();
    if (lost !== undefined) throw lost;
  }

  /** Opens a volume; several may have it open, over one filesystem. */
  volume(name: string): OpenVolume {
    const { opened: { volumes, volume: first }, enter, enterToClose, makeFiles } = this.#parts;
    const volume = volumes.openVolume(name);
    const { readOnly } = volume;
    if (volume === first) {
      return this.#add({ readOnly, enter, makeFiles, release: () => Promise.resolve() });
    }
    const mounted = this.#mountedVolume(volume);
    mounted.uses++;
    return this.#add({
      readOnly,
      enter,
      makeFiles: (gate) => this.#files(mounted, gate),
      release: () => whenFree(enterToClose, () => this.#unmount(volume, mounted)),
    });
  }

  #mountedVolume(volume: Volume): Mounted {
    const known = this.#volumes.get(volume);
    if (known !== undefined) return known;
    try {
      const mounted = this.#mount(volume);
      this.#volumes.set(volume, mounted);
      return mounted;
    } catch (error) {
      this.#parts.opened.volumes.closeVolume(volume);
      throw error;
    }
  }

  /** Opens a snapshot for reading. */
  snapshot(volume: string, name: SnapshotName): OpenVolume {
    const store = this.#parts.opened.volumes.openSnapshot(volume, name);
    try {
      const mounted = this.#mount(store);
      return this.#add({
        readOnly: true,
        enter: this.#parts.enter,
        makeFiles: (gate) => this.#files(mounted, gate),
        release: () => {
          store.close();
          mounted.release();
          return Promise.resolve();
        },
      });
    } catch (error) {
      store.close();
      throw error;
    }
  }

  #mount(store: Volume | SnapshotStore): Mounted {
    const { kernel, owner = { uid: 0, gid: 0 }, noatime, opened } = this.#parts;
    const { wipers } = opened.volume.engine;
    const before = wipers.length;
    const memory = this.#memory.lease();
    try {
      const root = { ...owner, mode: 0o755 };
      const options = { blockMemoryBytes: BLOCK_MEMORY_BYTES, memory, noatime, root };
      const fileSystem = openFileSystem(store, options);
      const { bytes } = kernel;
      const reserve = (size: number) => memory.reserve(size);
      const transfer = new FileTransfer(fileSystem, { bytes, reserve });
      // They would be kept, and called, as long as the vault is open.
      const own = wipers.slice(before);
      const release = () => {
        for (const wipe of own) {
          wipe();
          wipers.splice(wipers.indexOf(wipe), 1);
        }
        memory.release();
      };
      return { fileSystem, transfer, line: store.locks.line, uses: 0, release };
    } catch (error) {
      memory.release();
      throw error;
    }
  }

  #files({ fileSystem, transfer, line }: Mounted, enter: Enter): VaultFiles {
    const { kernel, owner, locks: all } = this.#parts;
    const locks = { all, line };
    return new VaultFiles({ fileSystem, kernel, owner, enter, transfer, locks });
  }

  #add(parts: ConstructorParameters<typeof OpenVolume>[0]): OpenVolume {
    const opened: OpenVolume = new OpenVolume({
      ...parts,
      release: async () => {
        await parts.release();
        this.#open.delete(opened);
      },
    });
    this.#open.add(opened);
    return opened;
  }

  /** Memory of theirs, for as long as something else needs it. */
  lease(): MemoryLease {
    return this.#memory.lease();
  }

  /** Puts what is in memory only, so that what is counted is what is there. */
  flush(): void {
    if (this.#parts.first.readOnly) return;
    try {
      this.#parts.first.flush();
      for (const { fileSystem } of this.#volumes.values()) fileSystem.flush();
    } catch (error) {
      throw asPathError(error, "write", "/");
    }
  }

  /** Closes all. */
  async closeAll(): Promise<void> {
    for (const opened of [...this.#open]) await opened.close();
  }
}
