import { VaultError, type VaultErrorKind } from "../errors.ts";
import { ERRNO } from "../fs/errno.ts";
import { type Attributes, type Caller, PosixError, type ReadSpans } from "../fs/file_system.ts";
import { S_IFDIR, S_IFREG } from "../fs/mode.ts";
import { Paths } from "../fs/paths.ts";
import { MIB } from "../limits.ts";
import type { Vault } from "../vault/vault.ts";
import type { FileTree, NodeAttributes, NodeKind, NodeStat } from "./file_tree.ts";

const CHUNK_BYTES = MIB;
const PERMISSION_BITS = 0o7777;
const TYPE_BITS = 0o170000;
const O_RDWR = 2;
const KINDS: Readonly<Record<number, NodeKind>> = {
  0o010000: "fifo",
  0o020000: "character-device",
  0o040000: "directory",
  0o060000: "block-device",
  0o100000: "file",
  0o120000: "symlink",
  0o140000: "socket",
};
const FAILURES: Readonly<Record<number, readonly [VaultErrorKind, string]>> = {
  [ERRNO.ENOENT]: ["missing", "no such file or directory"],
  [ERRNO.ENOTDIR]: ["missing", "a name on the way is no directory"],
  [ERRNO.EEXIST]: ["conflict", "it exists already"],
  [ERRNO.ENOTEMPTY]: ["conflict", "the directory is not empty"],
  [ERRNO.EISDIR]: ["invalid", "it is a directory"],
  [ERRNO.EINVAL]: ["invalid", "not possible"],
  [ERRNO.ENAMETOOLONG]: ["invalid", "the name is too long"],
  [ERRNO.EROFS]: ["denied", "the vault is open read-only"],
  [ERRNO.ENOSPC]: ["unavailable", "the vault is full"],
  [ERRNO.EIO]: ["corrupt", "the data is damaged"],
};

/** The files of an open vault. */
export function vaultTree(vault: Vault, owner: { uid: number; gid: number }): FileTree {
  return new VaultTree(vault, { ...owner, pid: 0, umask: 0o022 });
}

class VaultTree implements FileTree {
  readonly #vault: Vault;
  readonly #paths: Paths;
  readonly #caller: Caller;
  readonly #staging: number;
  readonly #out = emptyAttributes();

  constructor(vault: Vault, caller: Caller) {
    this.#vault = vault;
    this.#caller = caller;
    this.#paths = new Paths(vault.fileSystem);
    this.#staging = vault.header.kernel.reserve(CHUNK_BYTES);
  }

  stat(path: string): Promise<NodeStat> {
    return this.#try(`look at "${path}"`, () => {
      this.#paths.lstat(path, this.#out);
      return statOf(this.#out);
    });
  }

  list(path: string): Promise<string[]> {
    return this.#try(`list "${path}"`, () => {
      const names: string[] = [];
      const decoder = new TextDecoder();
      this.#paths.stat(path, this.#out);
      this.#vault.fileSystem.readdir(this.#out.ino, 0, ({ cookie, name }) => {
        if (cookie > 2) names.push(decoder.decode(name));
        return true;
      });
      return names;
    });
  }

  async *read(path: string): AsyncGenerator<Uint8Array> {
    const { fileSystem, header: { kernel } } = this.#vault;
    const spans: ReadSpans = { total: 0, count: 0, addresses: [], lengths: [] };
    const action = `read "${path}"`;
    const ino = await this.#try(action, () => {
      this.#paths.stat(path, this.#out);
      if ((this.#out.mode & TYPE_BITS) === S_IFDIR) throw new PosixError(ERRNO.EISDIR, "EISDIR");
      fileSystem.open(this.#out.ino, 0);
      return this.#out.ino;
    });
    try {
      const chunk = new Uint8Array(CHUNK_BYTES);
      for (let offset = 0;; offset += spans.total) {
        await this.#try(action, () => fileSystem.read(ino, offset, CHUNK_BYTES, spans));
        if (spans.total === 0) return;
        let at = 0;
        for (let i = 0; i < spans.count; i++) {
          const [address, length] = [spans.addresses[i], spans.lengths[i]];
          chunk.set(kernel.bytes.subarray(address, address + length), at);
          at += length;
        }
        yield chunk.subarray(0, spans.total);
      }
    } finally {
      fileSystem.release(ino);
    }
  }

  async write(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { fileSystem } = this.#vault;
    const action = `write "${path}"`;
    const ino = await this.#try(action, () => this.#emptyFile(path));
    try {
      let offset = 0;
      for await (const chunk of chunks) {
        for (let at = 0; at < chunk.length; at += CHUNK_BYTES) {
          const part = chunk.subarray(at, at + CHUNK_BYTES);
          await this.#try(action, () => this.#writePart(ino, offset, part));
          offset += part.length;
        }
      }
    } finally {
      fileSystem.release(ino);
    }
  }

  /** Makes or empties a file and opens it. */
  #emptyFile(path: string): number {
    const { fileSystem } = this.#vault;
    try {
      this.#paths.stat(path, this.#out);
      if ((this.#out.mode & TYPE_BITS) === S_IFDIR) throw new PosixError(ERRNO.EISDIR, "EISDIR");
      fileSystem.setattr(this.#caller, this.#out.ino, { size: 0 }, this.#out);
    } catch (error) {
      if (!(error instanceof PosixError) || error.errno !== ERRNO.ENOENT) throw error;
      const { parent, name } = this.#paths.last(path);
      const node = { mode: S_IFREG | 0o666, rdev: 0 };
      fileSystem.mknod(this.#caller, parent, name, node, this.#out);
    }
    fileSystem.open(this.#out.ino, O_RDWR);
    return this.#out.ino;
  }

  #writePart(ino: number, offset: number, part: Uint8Array): void {
    const { fileSystem, header: { kernel } } = this.#vault;
    kernel.bytes.set(part, this.#staging);
    const length = part.length;
    fileSystem.write(ino, {
      offset,
      length,
      address: this.#staging,
      buffer: null,
      killSetId: false,
    });
  }

  makeDirectory(path: string): Promise<void> {
    return this.#try(`make directory "${path}"`, () => {
      const { parent, name } = this.#paths.last(path);
      const node = { mode: S_IFDIR | 0o777, rdev: 0 };
      this.#vault.fileSystem.mknod(this.#caller, parent, name, node, this.#out);
    });
  }

  symlink(target: string, path: string): Promise<void> {
    return this.#try(`make symlink "${path}"`, () => {
      const { parent, name } = this.#paths.last(path);
      const bytes = new TextEncoder().encode(target);
      this.#vault.fileSystem.symlink(this.#caller, parent, name, bytes, this.#out);
    });
  }

  readLink(path: string): Promise<string> {
    return this.#try(`read symlink "${path}"`, () => {
      this.#paths.lstat(path, this.#out);
      return new TextDecoder().decode(this.#vault.fileSystem.readlink(this.#out.ino));
    });
  }

  link(existing: string, path: string): Promise<void> {
    return this.#try(`link "${path}"`, () => {
      this.#paths.lstat(existing, this.#out);
      const { ino } = this.#out;
      const { parent, name } = this.#paths.last(path);
      this.#vault.fileSystem.link(ino, parent, name, this.#out);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#try(`move "${from}" to "${to}"`, () => {
      const flags = { noReplace: false, exchange: false };
      this.#vault.fileSystem.rename(this.#paths.last(from), this.#paths.last(to), flags);
    });
  }

  remove(path: string): Promise<void> {
    return this.#try(`remove "${path}"`, () => {
      this.#paths.lstat(path, this.#out);
      const isDirectory = (this.#out.mode & TYPE_BITS) === S_IFDIR;
      const { parent, name } = this.#paths.last(path);
      if (isDirectory) this.#vault.fileSystem.rmdir(parent, name);
      else this.#vault.fileSystem.unlink(parent, name);
    });
  }

  setAttributes(path: string, { mode, owner, times }: NodeAttributes): Promise<void> {
    return this.#try(`set the attributes of "${path}"`, () => {
      this.#paths.lstat(path, this.#out);
      const change = {
        ...owner,
        ...times && { atime: timeOf(times.accessed), mtime: timeOf(times.modified) },
      };
      const { fileSystem } = this.#vault;
      const { ino } = this.#out;
      // As chown(2) and chmod(2) would: a new owner clears setuid, so the mode comes after it.
      fileSystem.setattr(this.#caller, ino, change, this.#out);
      if (mode !== undefined && (this.#out.mode & TYPE_BITS) !== 0o120000) {
        fileSystem.setattr(this.#caller, ino, { mode }, this.#out);
      }
    });
  }

  async sync(): Promise<void> {
    if (!this.#vault.readOnly) await this.#vault.commit();
  }

  /** Runs `act`; a POSIX failure becomes one that says what could not be done. */
  // deno-lint-ignore require-await
  async #try<T>(action: string, act: () => T): Promise<T> {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      const [kind, words] = FAILURES[error.errno] ?? ["unavailable", error.message];
      throw new VaultError(kind, `Cannot ${action}: ${words}`, { cause: error });
    }
  }
}

function timeOf(milliseconds: number): { seconds: number; nanoseconds: number } {
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanoseconds: Math.round((milliseconds - seconds * 1000) * 1e6) % 1e9 };
}

function statOf(attributes: Attributes): NodeStat {
  const { ino, size, mode, uid, gid, nlink } = attributes;
  return {
    kind: KINDS[mode & TYPE_BITS] ?? "file",
    bytes: size,
    mode: mode & PERMISSION_BITS,
    uid,
    gid,
    links: nlink,
    modified: attributes.mtime * 1000 + attributes.mtimeNs / 1e6,
    accessed: attributes.atime * 1000 + attributes.atimeNs / 1e6,
    identity: `${ino}`,
  };
}

function emptyAttributes(): Attributes {
  return {
    ino: 0,
    generation: 0,
    size: 0,
    blocks: 0,
    atime: 0,
    atimeNs: 0,
    mtime: 0,
    mtimeNs: 0,
    ctime: 0,
    ctimeNs: 0,
    mode: 0,
    nlink: 0,
    uid: 0,
    gid: 0,
    rdev: 0,
  };
}
