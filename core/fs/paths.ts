import { fail } from "./errno.ts";
import { type Attributes, type Caller, emptyAttributes, type FileSystem } from "./file_system.ts";
import { PosixError } from "./file_system.ts";
import { ERRNO } from "./errno.ts";
import { isDirectory, isSymlink, PERMISSIONS, S_IFDIR } from "./mode.ts";
import { ROOT_INO } from "../format/volume_key.ts";

/** Symlinks followed in one path, as in Linux. */
const SYMLINKS_MAX = 40;
const SLASH = 0x2f;

/** A path as its caller has it: text is taken as UTF-8. */
export type Path = string | Uint8Array;

/** Where the last name of a path is, or would be. */
export interface LastName {
  readonly parent: number;
  readonly name: Uint8Array;
}

/** One step of a walk. `path` begins at where the walk began and has no slash in front. */
export interface WalkEntry {
  readonly path: Uint8Array;
  readonly parent: number;
  readonly name: Uint8Array;
  readonly attributes: Readonly<Attributes>;
}

/** Finds inodes by path: for the library and the CLI, which have no kernel to do it. */
export class Paths {
  readonly #fs: FileSystem;
  readonly #out = emptyAttributes();

  constructor(fs: FileSystem) {
    this.#fs = fs;
  }

  /** Fills `out` with what a path leads to, all symlinks followed. Paths begin at the root. */
  stat(path: Path, out: Attributes): void {
    this.#walkNames(ROOT_INO, bytesOf(path), out, { follow: true, links: 0 });
  }

  /** Fills `out` with what a path leads to; a symlink at its end is not followed. */
  lstat(path: Path, out: Attributes): void {
    const bytes = bytesOf(path);
    const follow = bytes[bytes.length - 1] === SLASH;
    this.#walkNames(ROOT_INO, bytes, out, { follow, links: 0 });
  }

  /**
   * The directory and the name that a path ends with; the directory must exist, the name need not. With a slash behind it, it is no
   * name of anything but a directory.
   */
  last(path: Path): LastName {
    const bytes = bytesOf(path);
    const names = namesOf(bytes);
    const name = names.pop() ?? fail("EEXIST");
    const parent = joined(names);
    this.#walkNames(ROOT_INO, parent, this.#out, { follow: true, links: 0 });
    if (!isDirectory(this.#out.mode)) fail("ENOTDIR");
    const last = { parent: this.#out.ino, name };
    const endsInSlash = bytes[bytes.length - 1] === SLASH;
    if (endsInSlash && this.find(last, this.#out) && !isDirectory(this.#out.mode)) fail("ENOTDIR");
    return last;
  }

  /** Fills `out` with what a name names itself; false where that is nothing. */
  find({ parent, name }: LastName, out: Attributes): boolean {
    try {
      this.#fs.lookup(parent, name, out);
      return true;
    } catch (error) {
      if (isErrno(error, ERRNO.ENOENT)) return false;
      throw error;
    }
  }

  /** Makes a directory and those above it that are missing; returns its inode number. */
  makeDirectories(caller: Caller, path: Path, mode = 0o777): number {
    let ino = ROOT_INO;
    const out = this.#out;
    const done: Uint8Array[] = [];
    for (const name of namesOf(bytesOf(path))) {
      done.push(name);
      try {
        this.stat(joined(done), out);
      } catch (error) {
        if (!isErrno(error, ERRNO.ENOENT)) throw error;
        this.#fs.mknod(caller, { parent: ino, name }, {
          mode: S_IFDIR | mode & PERMISSIONS,
          rdev: 0,
        }, out);
      }
      if (!isDirectory(out.mode)) fail("ENOTDIR");
      ino = out.ino;
    }
    return ino;
  }

  /** Visits everything below a directory, a directory before what it holds. `visit` says whether to go into one. */
  walk(directory: number, visit: (entry: WalkEntry) => boolean): void {
    const waiting: { ino: number; path: Uint8Array }[] = [{ ino: directory, path: joined([]) }];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const below: { ino: number; path: Uint8Array }[] = [];
      for (const name of this.#names(at.ino)) {
        const attributes = emptyAttributes();
        this.#fs.lookup(at.ino, name, attributes);
        const path = at.path.length === 0 ? name : joined([at.path, name]);
        const goesIn = visit({ path, parent: at.ino, name, attributes });
        if (goesIn && isDirectory(attributes.mode)) below.push({ ino: attributes.ino, path });
      }
      waiting.push(...below.reverse());
    }
  }

  /** Removes a name and everything below it. */
  removeTree({ parent, name }: LastName): void {
    this.#fs.lookup(parent, name, this.#out);
    if (!isDirectory(this.#out.mode)) return this.#fs.unlink(parent, name);
    // Entered directories wait here with the name that is to go when they are empty.
    const entered = [{ parent, name, ino: this.#out.ino }];
    const above = new Set([this.#out.ino]);
    for (let at = entered.at(-1); at !== undefined; at = entered.at(-1)) {
      const child = this.#removeFiles(at.ino);
      if (child === null) {
        this.#fs.rmdir(at.parent, at.name);
        above.delete(at.ino);
        entered.pop();
      } else {
        // Only a damaged vault, or one made to trap, has a directory inside itself.
        if (above.has(child.ino)) fail("EIO");
        above.add(child.ino);
        entered.push({ parent: at.ino, ...child });
      }
    }
  }

  /** Unlinks what a directory holds until there is a directory in it: returns that, or null. */
  #removeFiles(directory: number): { name: Uint8Array; ino: number } | null {
    for (const name of this.#names(directory)) {
      this.#fs.lookup(directory, name, this.#out);
      if (isDirectory(this.#out.mode)) return { name, ino: this.#out.ino };
      this.#fs.unlink(directory, name);
    }
    return null;
  }

  /** The names in a directory, "." and ".." left out; collected, because a visitor may change it. */
  #names(directory: number): Uint8Array[] {
    const names: Uint8Array[] = [];
    this.#fs.readdir(directory, 0, ({ cookie, name }) => {
      if (cookie > 2) names.push(name.slice());
      return true;
    });
    return names;
  }

  #walkNames(
    from: number,
    path: Uint8Array,
    out: Attributes,
    how: { follow: boolean; links: number },
  ): void {
    let directory = path[0] === SLASH ? ROOT_INO : from;
    this.#fs.getattr(directory, out);
    const names = namesOf(path);
    for (const [i, name] of names.entries()) {
      if (!isDirectory(out.mode)) fail("ENOTDIR");
      directory = out.ino;
      this.#fs.lookup(directory, name, out);
      const isLast = i === names.length - 1;
      if (!isSymlink(out.mode) || (isLast && !how.follow)) continue;
      if (++how.links > SYMLINKS_MAX) fail("ELOOP");
      const target = this.#fs.readlink(out.ino);
      const last = how.follow;
      how.follow = true;
      this.#walkNames(directory, target, out, how);
      how.follow = last;
    }
    if (path[path.length - 1] === SLASH && !isDirectory(out.mode)) fail("ENOTDIR");
  }
}

/** The names of a path, empty ones left out. */
export function namesOf(path: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = [];
  let start = 0;
  for (let at = 0; at <= path.length; at++) {
    if (at < path.length && path[at] !== SLASH) continue;
    if (at > start) names.push(path.slice(start, at));
    start = at + 1;
  }
  return names;
}

/** Names with a slash between two. */
function joined(names: Uint8Array[]): Uint8Array {
  const length = names.reduce((sum, name) => sum + name.length + 1, 0);
  const path = new Uint8Array(Math.max(0, length - 1)).fill(SLASH);
  let at = 0;
  for (const name of names) {
    path.set(name, at);
    at += name.length + 1;
  }
  return path;
}

function bytesOf(path: Path): Uint8Array {
  return typeof path === "string" ? new TextEncoder().encode(path) : path;
}

function isErrno(error: unknown, errno: number): boolean {
  return error instanceof PosixError && error.errno === errno;
}
