import { type Caller, emptyAttributes, type FileSystem } from "../fs/file_system.ts";
import { PERMISSIONS } from "../fs/mode.ts";
import type { LastName } from "../fs/paths.ts";
import type { UnnamedFileSystem } from "../fs/unnamed_files.ts";
import type { FileTransfer } from "./file_transfer.ts";

/** What files are written with. */
export interface WritingParts {
  readonly fileSystem: FileSystem & UnnamedFileSystem;
  readonly transfer: FileTransfer;
  readonly caller: Caller;
}

const DEFAULT_MODE = 0o644;

/**
 * A file that is written without a name before it gets that of the one that it replaces, so that nobody ever sees half of
 * it: not another reader, and not a crash, which leaves nothing of it.
 */
export class FileReplacement {
  readonly #parts: WritingParts;
  readonly #target: LastName;
  readonly #ino: number;
  #length = 0;
  #isOpen = true;

  /** Makes the file. `replaced` is the inode that it will take over from, or 0; its owner, mode and attributes stay. */
  constructor(
    parts: WritingParts,
    target: LastName,
    options: { readonly replaced: number; readonly mode?: number },
  ) {
    this.#parts = parts;
    this.#target = target;
    const { fileSystem, caller } = parts;
    const out = emptyAttributes();
    fileSystem.makeUnnamed(caller, target.parent, options.mode ?? DEFAULT_MODE, out);
    this.#ino = out.ino;
    if (options.replaced !== 0) this.#inherit(options.replaced, options.mode);
  }

  /** Adds at most 1 MiB of `data`; returns how much. */
  append(data: Uint8Array): number {
    const count = this.#parts.transfer.write(this.#ino, this.#length, data);
    this.#length += count;
    return count;
  }

  /** Puts the file in its place. */
  finish(): void {
    const { fileSystem } = this.#parts;
    this.#isOpen = false;
    try {
      fileSystem.nameUnnamed(this.#ino, this.#target);
    } finally {
      fileSystem.release(this.#ino);
    }
  }

  /** Gives the file up. Idempotent; does nothing after `finish`. */
  release(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#parts.fileSystem.release(this.#ino);
  }

  #inherit(replaced: number, mode: number | undefined): void {
    const { fileSystem, caller } = this.#parts;
    const out = emptyAttributes();
    fileSystem.getattr(replaced, out);
    const { uid, gid } = out;
    const kept = mode ?? out.mode & PERMISSIONS;
    for (const name of fileSystem.listxattr(replaced)) {
      fileSystem.setxattr(this.#ino, name, fileSystem.getxattr(replaced, name), 0);
    }
    fileSystem.setattr(caller, this.#ino, { uid, gid }, out);
    fileSystem.setattr(caller, this.#ino, { mode: kept }, out);
  }
}
