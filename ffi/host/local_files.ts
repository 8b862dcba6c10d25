import { dirname } from "node:path";
import { replaceFile } from "../linux/replace_file.ts";
import {
  type FileTree,
  kindText,
  type NodeAttributes,
  type NodeKind,
  type NodeStat,
} from "../../core/command/file_tree.ts";
import { statOrNull } from "../../core/command/copy_tree.ts";
import { bytesOf, type FilePart, writeParts } from "../../core/command/file_parts.ts";
import { dateOf } from "../../core/dates.ts";
import { millisecondsOf } from "../../core/command/times.ts";
import { MIB } from "../../core/limits.ts";
import { VaultError } from "../../core/errors.ts";
import { unlessMissing } from "../../core/storage/store_failures.ts";
import type { Time } from "../../core/fs/file_system.ts";
import { doing, hostError } from "./system_error.ts";

const CHUNK_BYTES = MIB;
const PERMISSION_BITS = 0o7777;

function kindOf(info: Deno.FileInfo): NodeKind {
  if (info.isFile) return "file";
  if (info.isDirectory) return "directory";
  if (info.isSymlink) return "symlink";
  if (info.isFifo === true) return "fifo";
  if (info.isSocket === true) return "socket";
  return info.isBlockDevice === true ? "block-device" : "character-device";
}

/** What takes bytes and keeps none of them as a file. */
export function isStream(kind: NodeKind): boolean {
  return kind === "fifo" || kind === "character-device" || kind === "block-device";
}

function statOf(info: Deno.FileInfo): NodeStat {
  return {
    kind: kindOf(info),
    bytes: info.size,
    mode: (info.mode ?? 0o644) & PERMISSION_BITS,
    uid: info.uid ?? 0,
    gid: info.gid ?? 0,
    links: info.nlink ?? 1,
    modified: timeOf(info.mtime),
    accessed: timeOf(info.atime),
    identity: info.ino === null ? "" : `${info.dev}:${info.ino}`,
  };
}

function timeOf(date: Date | null): Time {
  const milliseconds = date?.getTime() ?? 0;
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanoseconds: (milliseconds - seconds * 1000) * 1e6 };
}

async function* readChunks(path: string): AsyncGenerator<Uint8Array> {
  using file = await doing(`read "${path}"`, () => Deno.open(path));
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const length = await doing(`read "${path}"`, () => file.read(buffer));
    if (length === null) return;
    yield buffer.subarray(0, length);
  }
}

/** The mode that a new file is made with, less what the umask takes away. */
export function fileMode(access?: "own"): number {
  return access === "own" ? 0o600 : 0o666;
}

/** Likewise of a directory. */
export function directoryMode(access?: "own"): number {
  return access === "own" ? 0o700 : 0o777;
}

async function write(
  path: string,
  parts: AsyncIterable<FilePart>,
  access?: "own",
): Promise<void> {
  const action = `write "${path}"`;
  const mode = fileMode(access);
  using file = await doing(
    action,
    () => Deno.open(path, { write: true, create: true, truncate: true, mode }),
  );
  await doing(action, async () => {
    const { isFile } = await file.stat();
    if (isFile) {
      await writeParts(parts, {
        async write(offset, bytes) {
          await file.seek(offset, Deno.SeekMode.Start);
          await writeAll(file, bytes);
        },
        truncate: (size) => file.truncate(size),
      });
    } else {
      // A pipe or a device takes every byte.
      for await (const part of parts) {
        for (const bytes of bytesOf(part)) await writeAll(file, bytes);
      }
    }
  });
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

async function setAttributes(
  path: string,
  { mode, owner, times }: NodeAttributes,
  kind: NodeKind,
): Promise<void> {
  await doing(`set the attributes of "${path}"`, async () => {
    // Owner first: changing it clears setuid and setgid.
    if (owner !== undefined) await changeOwner(path, owner);
    if (mode !== undefined && kind !== "symlink") await Deno.chmod(path, mode);
    if (times === undefined) return;
    const accessed = dateOf(millisecondsOf(times.accessed));
    const modified = dateOf(millisecondsOf(times.modified));
    if (kind !== "symlink") return await Deno.utime(path, accessed, modified);
    const { lutimes } = await import("node:fs/promises");
    await lutimes(path, accessed, modified);
  });
}

async function changeOwner(path: string, { uid, gid }: { uid: number; gid: number }) {
  const { lchown } = await import("node:fs/promises");
  await lchown(path, uid, gid);
}

/** The files of this machine as the runtime shows them. */
export const LOCAL_FILES: FileTree = {
  namesAreUnique: false,
  details: null,
  stat: (path) => doing(`look at "${path}"`, async () => statOf(await Deno.lstat(path))),
  isStream: async (path) =>
    await unlessMissing(() =>
      doing(`look at "${path}"`, async () => isStream(kindOf(await Deno.stat(path))))
    ) ?? false,
  list: (path) =>
    doing(`list "${path}"`, async () => {
      const names: string[] = [];
      for await (const { name } of Deno.readDir(path)) names.push(name);
      return names;
    }),
  read: readChunks,
  write,
  makeDirectory: (path, access) =>
    doing(`make directory "${path}"`, () => Deno.mkdir(path, { mode: directoryMode(access) })),
  symlink: (target, path) => doing(`make symlink "${path}"`, () => Deno.symlink(target, path)),
  readLink: (path) => doing(`read symlink "${path}"`, () => Deno.readLink(path)),
  link: (existing, path) => doing(`link "${path}"`, () => Deno.link(existing, path)),
  rename: (from, to) => doing(`move "${from}" to "${to}"`, () => Deno.rename(from, to)),
  remove: (path) => doing(`remove "${path}"`, () => Deno.remove(path)),
  setAttributes,
  sync: () => Promise.resolve(),
};

/** Bytes of a file or of an open descriptor, at most `bytesMax`. */
export async function readSmall(source: string | number, bytesMax: number): Promise<Uint8Array> {
  const action = `read ${typeof source === "number" ? `descriptor ${source}` : `"${source}"`}`;
  return await doing(action, async () => {
    const buffer = new Uint8Array(bytesMax);
    try {
      return buffer.slice(0, await readInto(source, buffer));
    } finally {
      buffer.fill(0);
    }
  });
}

async function readInto(
  source: string | number,
  buffer: Uint8Array<ArrayBuffer>,
): Promise<number> {
  if (typeof source === "number" && source > 0) {
    requireFfi(source);
    const { readInherited } = await import("./inherited_descriptor.ts");
    return readInherited(source, buffer);
  }
  using file = typeof source === "string" ? await Deno.open(source) : null;
  const from = file ?? Deno.stdin;
  let length = 0;
  while (length < buffer.length) {
    const read = await from.read(buffer.subarray(length));
    if (read === null) break;
    length += read;
  }
  return length;
}

function requireFfi(descriptor: number): void {
  if (Deno.permissions.querySync({ name: "ffi" }).state === "granted") return;
  throw new VaultError(
    "denied",
    `Cannot read descriptor ${descriptor} without --allow-ffi; hand it over as 0, standard input`,
  );
}

/**
 * Writes a file that only its owner can read, whole or not at all. Always a new one: an old one may have another mode, or be a
 * symlink; it goes when the new one is durable.
 */
export async function writePrivate(path: string, bytes: Uint8Array, force: boolean): Promise<void> {
  try {
    if (force) {
      await requireFile(path);
      await replaceFile(dirname(path), path, bytes);
    } else await makePrivate(path, bytes);
  } catch (error) {
    throw hostError(`Cannot write "${path}"`, error);
  }
}

/** A device or a pipe would be replaced by a file. */
async function requireFile(path: string): Promise<void> {
  const there = await statOrNull(LOCAL_FILES, path);
  if (there === null || there.kind === "file" || there.kind === "symlink") return;
  const what = kindText(there.kind);
  throw new VaultError("conflict", `Cannot write "${path}": it is ${what}; name a file`);
}

async function makePrivate(path: string, bytes: Uint8Array): Promise<void> {
  const file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  try {
    using _ = file;
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    await file.sync();
  } catch (error) {
    await Deno.remove(path).catch(() => {}); // half of it is of no use; why it failed says more
    throw error;
  }
}
