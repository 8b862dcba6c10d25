import { compare } from "../bytes.ts";
import type { FileSystem } from "../fs/file_system.ts";
import type { Joint, View } from "../fs/view.ts";
import type { PlacedSnapshot } from "../tree/catalog.ts";
import type { SnapshotStore } from "../volume/snapshot_store.ts";
import type { Volumes } from "../volume/volumes.ts";
import { LazyView, type OpenFiles, type ViewCache } from "./lazy_view.ts";

/** Name of the directory that shows the snapshots of a volume, in its root directory. */
export const SNAPSHOTS_NAME = ".snapshots";
const SNAPSHOTS_BYTES = new TextEncoder().encode(SNAPSHOTS_NAME);
/** Above the cookie of every entry: those are 2^52 and a little at most. */
const LAST_COOKIE = 2 ** 53 - 1;
/** Above the cookies of "." and "..". */
const FIRST_COOKIE = 3;

/** What the snapshots of a volume are shown with. */
export interface SnapshotDirectoryParts {
  readonly volumes: Volumes;
  /** Number of the volume. */
  readonly volume: number;
  readonly cache: ViewCache;
  /** Opens the files of a snapshot. */
  readonly open: (store: SnapshotStore) => OpenFiles;
  /** What the directory itself looks like. */
  readonly directory: FileSystem;
}

/** The snapshots of a volume, by name. Those of the undo history have none. */
export class SnapshotDirectory implements View {
  readonly up: View;
  readonly changing = true;
  readonly isLive = false;
  readonly fileSystem: FileSystem;
  readonly #parts: SnapshotDirectoryParts;
  /** By sequence. They stay for the life of the mount, so that each has its node ids for itself. */
  readonly #views = new Map<number, LazyView>();

  constructor(up: View, parts: SnapshotDirectoryParts) {
    this.up = up;
    this.#parts = parts;
    this.fileSystem = parts.directory;
  }

  #named(): PlacedSnapshot[] {
    const { volumes, volume } = this.#parts;
    return volumes.snapshotsOf(volume).filter(({ hidden, history }) => !hidden && !history);
  }

  #viewOf(snapshot: PlacedSnapshot): LazyView {
    const { cache, volumes, open } = this.#parts;
    const known = this.#views.get(snapshot.sequence);
    if (known !== undefined) return known;
    const made = new LazyView(this, cache, (view) => {
      const store = volumes.read(snapshot, () => view.revoke());
      try {
        return open(store);
      } catch (error) {
        store.close();
        throw error;
      }
    });
    this.#views.set(snapshot.sequence, made);
    return made;
  }

  joint(name: Uint8Array): View | null {
    const found = this.#named().find((snapshot) => compare(encoded(snapshot.name), name) === 0);
    return found === undefined ? null : this.#viewOf(found);
  }

  *joints(): Iterable<Joint> {
    for (const snapshot of this.#named()) {
      const { name, sequence } = snapshot;
      const cookie = FIRST_COOKIE + sequence;
      yield { name: encoded(name), cookie, view: this.#viewOf(snapshot) };
    }
  }

  pin(): void {}

  unpin(): void {}
}

/** Where a volume is shown, and what beside its files. */
export interface VolumeRootParts {
  readonly up: View | null;
  /** The way to the snapshots shows in listings; it is there in any case. */
  readonly listed: boolean;
  readonly snapshots: (root: View) => View;
}

/** A volume whose root directory leads to its snapshots. */
export class VolumeRoot implements View {
  readonly up: View | null;
  readonly changing = false;
  /** False while the volume is not open. */
  isLive = true;
  readonly #files: () => FileSystem;
  readonly #snapshots: View;
  readonly #isListed: boolean;
  #pins = 0;

  /** `files` may throw where they are gone for good. */
  constructor(files: () => FileSystem, { up, listed, snapshots }: VolumeRootParts) {
    this.up = up;
    this.#files = files;
    this.#isListed = listed;
    this.#snapshots = snapshots(this);
  }

  get fileSystem(): FileSystem {
    return this.#files();
  }

  /** True while a file of it is open. */
  get isPinned(): boolean {
    return this.#pins > 0;
  }

  joint(name: Uint8Array): View | null {
    const isIt = name.length === SNAPSHOTS_BYTES.length && compare(name, SNAPSHOTS_BYTES) === 0;
    return isIt ? this.#snapshots : null;
  }

  joints(): Iterable<Joint> {
    if (!this.#isListed) return [];
    return [{ name: SNAPSHOTS_BYTES, cookie: LAST_COOKIE, view: this.#snapshots }];
  }

  pin(): void {
    this.#pins++;
  }

  unpin(): void {
    this.#pins--;
  }
}

function encoded(name: string): Uint8Array {
  return new TextEncoder().encode(name);
}
