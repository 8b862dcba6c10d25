import { type Caller, emptyAttributes, type FileSystem } from "../fs/file_system.ts";
import { PERMISSIONS, S_IFREG } from "../fs/mode.ts";
import type { LastName } from "../fs/paths.ts";
import type { Runtime } from "../runtime.ts";

import type { FileTransfer } from "./file_transfer.ts";

/** What files are written with. */
export interface WritingParts {
  readonly fileSystem: FileSystem;
  readonly transfer: FileTransfer;
  readonly runtime: Runtime;
  readonly caller: Caller;
}

/** Random bytes in the name of a file that is being written. */
const NAME_RANDOM_BYTES = 8;
const DEFAULT_MODE = 0o644;

/**
 * A file that is written beside the one that it will replace, so that nobody ever sees half of it: not another
 * reader, and not a crash.
 */
export class FileReplacement {
  readonly #parts: WritingParts;
  readonly #target: LastName;
  readonly #name: Uint8Array;
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
    this.#name = temporaryName(parts.runtime);
    const { fileSystem, caller } = parts;
    const out = emptyAttributes();
    const mode = S_IFREG | (options.mode ?? DEFAULT_MODE) & PERMISSIONS;
    fileSystem.mknod(caller, { parent: target.parent, name: this.#name }, { mode, rdev: 0 }, out);
    this.#ino = out.ino;
    fileSystem.open(this.#ino, 0);
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
    const { parent } = this.#target;
    this.#isOpen = false;
    // Releasing puts the data before the name: a crash in between leaves the old file.
    fileSystem.release(this.#ino);
    const flags = { noReplace: false, exchange: false };
    try {
      fileSystem.rename({ parent, name: this.#name }, this.#target, flags);
    } catch (error) {
      fileSystem.unlink(parent, this.#name);
      throw error;
    }
  }

  /** Gives the file up. Idempotent; does nothing after `finish`. */
  release(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { fileSystem } = this.#parts;
    fileSystem.unlink(this.#target.parent, this.#name);
    fileSystem.release(this.#ino);
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

function temporaryName(runtime: Runtime): Uint8Array {
  const random = new Uint8Array(NAME_RANDOM_BYTES);
  runtime.random(random);
  const hex = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return new TextEncoder().encode(`.sigmavault-${hex}`);
}
