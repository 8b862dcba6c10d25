import { compare } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { fail } from "../fs/errno.ts";
import type { FileSystem } from "../fs/file_system.ts";
import type { Joint, View } from "../fs/view.ts";
import type { NumberedVolume } from "../tree/catalog.ts";
import type { HeldVolume } from "./open_views.ts";
import { VolumeRoot } from "./snapshot_views.ts";

/** Above the cookies of "." and "..". */
const FIRST_COOKIE = 3;

/** What all volumes of a vault are shown with. */
export interface VolumesDirectoryParts {
  /** The volumes that there are now. */
  readonly volumes: () => readonly NumberedVolume[];
  /** Opens the files of one. */
  readonly hold: (name: string) => HeldVolume;
  /** What the directory itself looks like. */
  readonly directory: FileSystem;
  /** Snapshots show in listings. */
  readonly listSnapshots: boolean;
  /** The view of a volume's snapshots, below its own. */
  readonly snapshots: (root: View, volume: number) => View;
}

/** A volume among all of them: opened when it is first looked at, and held until it is deleted. */
class ShownVolume {
  readonly root: VolumeRoot;
  #held: HeldVolume | null = null;

  constructor(id: number, up: View, parts: VolumesDirectoryParts) {
    const files = () => (this.#held ??= this.#hold(id, parts)).fileSystem;
    const snapshots = (root: View) => parts.snapshots(root, id);
    this.root = new VolumeRoot(files, { up, listed: parts.listSnapshots, snapshots });
    this.root.isLive = false;
  }

  #hold(id: number, { volumes, hold }: VolumesDirectoryParts): HeldVolume {
    const record = volumes().find((volume) => volume.id === id);
    if (record === undefined) fail("ESTALE");
    try {
      const held = hold(record.name);
      // As the driver asked of the outermost directory: what it knows of removed files stays.
      held.fileSystem.holdRemoved();
      this.root.isLive = true;
      return held;
    } catch (error) {
      if (error instanceof VaultError && error.kind === "unavailable") fail("EMFILE");
      throw error;
    }
  }

  /** It is about to be deleted: lets it go, unless a file of it is open. Where it stays after all, it is opened again. */
  letGo(): void {
    if (this.root.isPinned) return;
    this.#held?.release();
    this.#held = null;
    this.root.isLive = false;
  }
}

/** All volumes of a vault, by name. They come and go; the directory itself cannot be changed. */
export class VolumesDirectory implements View {
  readonly up = null;
  readonly changing = true;
  readonly isLive = false;
  readonly fileSystem: FileSystem;
  readonly #parts: VolumesDirectoryParts;
  /** By number, which is never used twice. They stay for the life of the mount, so that each has its node ids for itself. */
  readonly #shown = new Map<number, ShownVolume>();

  constructor(parts: VolumesDirectoryParts) {
    this.#parts = parts;
    this.fileSystem = parts.directory;
  }

  #viewOf({ id }: NumberedVolume): View {
    let shown = this.#shown.get(id);
    if (shown === undefined) {
      this.#shown.set(id, shown = new ShownVolume(id, this, this.#parts));
    }
    return shown.root;
  }

  joint(name: Uint8Array): View | null {
    const found = this.#parts.volumes().find((volume) => compare(encoded(volume.name), name) === 0);
    return found === undefined ? null : this.#viewOf(found);
  }

  *joints(): Iterable<Joint> {
    for (const volume of this.#parts.volumes()) {
      const cookie = FIRST_COOKIE + volume.id;
      yield { name: encoded(volume.name), cookie, view: this.#viewOf(volume) };
    }
  }

  /** A volume is about to be deleted. */
  letGo(volume: number): void {
    this.#shown.get(volume)?.letGo();
  }

  pin(): void {}

  unpin(): void {}
}

function encoded(name: string): Uint8Array {
  return new TextEncoder().encode(name);
}
