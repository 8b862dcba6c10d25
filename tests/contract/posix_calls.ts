import assert from "node:assert/strict";
import { ERRNO, type ErrnoName } from "../../core/fs/errno.ts";
import {
  type AttributeChange,
  type Attributes,
  type Caller,
  type FileSystem,
  PosixError,
} from "../../core/fs/file_system.ts";
import { S_IFDIR, S_IFREG } from "../../core/fs/mode.ts";
import { FileActions } from "../support/file_actions.ts";
import { emptyAttributes, named, ROOT } from "../support/open_memory_volume.ts";

/** What the suite needs of a filesystem: itself, its memory, and its clock. */
export interface Subject {
  readonly fs: FileSystem;
  readonly memory: { bytes: Uint8Array; reserve(size: number): number };
  advance(milliseconds: number): void;
}

/** The calls of the suite, with names as text and results that can be compared. */
export class Posix {
  readonly fs: FileSystem;
  readonly files: FileActions;
  readonly #advance: (milliseconds: number) => void;

  constructor({ fs, memory, advance }: Subject) {
    this.fs = fs;
    this.files = new FileActions(fs, memory);
    this.#advance = advance;
  }

  make(name: string, mode = S_IFREG | 0o644, parent = 1, caller: Caller = ROOT): number {
    const out = emptyAttributes();
    this.fs.mknod(caller, { parent, name: named(name) }, { mode, rdev: 0x801 }, out);
    return out.ino;
  }

  directory(name: string, parent = 1): number {
    return this.make(name, S_IFDIR | 0o755, parent);
  }

  stat(ino: number): Attributes {
    const out = emptyAttributes();
    this.fs.getattr(ino, out);
    return out;
  }

  find(name: string, parent = 1): number {
    const out = emptyAttributes();
    this.fs.lookup(parent, named(name), out);
    return out.ino;
  }

  link(ino: number, name: string, parent = 1): void {
    this.fs.link(ino, parent, named(name), emptyAttributes());
  }

  unlink(name: string, parent = 1): void {
    this.fs.unlink(parent, named(name));
  }

  rename(from: [number, string], to: [number, string], flag = ""): void {
    const flags = { noReplace: flag === "noReplace", exchange: flag === "exchange" };
    const place = ([parent, name]: [number, string]) => ({ parent, name: named(name) });
    this.fs.rename(place(from), place(to), flags);
  }

  change(ino: number, change: AttributeChange): Attributes {
    const out = emptyAttributes();
    this.fs.setattr(ROOT, ino, change, out);
    return out;
  }

  list(ino = 1): string[] {
    const names: string[] = [];
    this.fs.readdir(ino, 0, ({ name }) => names.push(new TextDecoder().decode(name)) > 0);
    return names.sort();
  }

  /** What happened to a node's times: those that are now, after the clock went on. */
  touched(ino: number, act: () => void): string {
    this.#advance(3_000);
    const before = this.stat(ino);
    act();
    const after = this.stat(ino);
    const changed = (["atime", "mtime", "ctime"] as const).filter((t) => after[t] !== before[t]);
    return changed.join(" ");
  }

  /** Where ".." of a directory leads. */
  parentOf(directory: number): number {
    let parent = 0;
    this.fs.readdir(directory, 1, ({ ino }) => {
      parent = ino;
      return false;
    });
    return parent;
  }

  wait(milliseconds: number): void {
    this.#advance(milliseconds);
  }

  fails(name: ErrnoName, act: () => unknown): void {
    assert.throws(act, (error) => {
      assert.ok(error instanceof PosixError, `${error}`);
      assert.equal(error.errno, ERRNO[name]);
      return true;
    });
  }
}
