import { constants as fsConstants } from "node:fs";
import { type FilePart, partsOf, writeParts } from "../../core/command/file_parts.ts";
import type {
  ExtendedAttribute,
  FileDetails,
  FileTree,
  NodeAttributes,
  NodeKind,
  NodeStat,
} from "../../core/command/file_tree.ts";
import { pathBytes, pathText } from "../../core/command/path_text.ts";
import { unlessMissing } from "../../core/storage/store_failures.ts";
import { PERMISSIONS } from "../../core/fs/mode.ts";
import type { CallError } from "../libc/call_error.ts";
import { type CPath, type FileCalls, openFileCalls, type StatResult } from "../libc/file_calls.ts";
import { directoryMode, fileMode, isStream, LOCAL_FILES } from "./local_files.ts";
import { hostError } from "./system_error.ts";

const TYPE_SHIFT = 12;
const KINDS: readonly (NodeKind | undefined)[] = [
  undefined,
  "fifo",
  "character-device",
  undefined,
  "directory",
  undefined,
  "block-device",
  undefined,
  "file",
  undefined,
  "symlink",
  undefined,
  "socket",
];
/** What a name of the owner's attributes begins with. */
const USER = new TextEncoder().encode("user.");
/** How a filesystem says that it has no such attributes, or no room for this one. */
const NOT_TAKEN = ["ENOTSUP", "EOPNOTSUPP", "ENOSPC", "EDQUOT", "E2BIG", "ERANGE", "EPERM"];

/**
 * The files of this machine through libc, with what the runtime does not show; or null where it cannot be had: not
 * Linux, or no `--allow-ffi`. The calls block; what is no regular file is left to the runtime, because it may block for
 * long.
 */
export function libcFiles(): FileTree | null {
  if (Deno.build.os !== "linux") return null;
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return null;
  return treeOver(openFileCalls());
}

function treeOver(calls: FileCalls): FileTree {
  return {
    namesAreUnique: false,
    details: detailsOver(calls),
    stat: (path) => doing(`look at "${path}"`, () => statOf(calls.stat(cPath(path)))),
    isStream: async (path) =>
      await unlessMissing(() =>
        doing(`look at "${path}"`, () => isStream(statOf(calls.stat(cPath(path), "follow")).kind))
      ) ?? false,
    list: (path) => doing(`list "${path}"`, () => calls.list(cPath(path)).map(pathText)),
    read: (path) => readParts(calls, path),
    write: (path, parts, access) => write(calls, { path, mode: fileMode(access) }, parts),
    makeDirectory: (path, access) =>
      doing(
        `make directory "${path}"`,
        () => calls.makeDirectory(cPath(path), directoryMode(access)),
      ),
    symlink: (target, path) =>
      doing(`make symlink "${path}"`, () => calls.symlink(cPath(target), cPath(path))),
    readLink: (path) =>
      doing(`read symlink "${path}"`, () => pathText(calls.readLink(cPath(path)))),
    link: (existing, path) =>
      doing(`link "${path}"`, () => calls.link(cPath(existing), cPath(path))),
    rename: (from, to) =>
      doing(`move "${from}" to "${to}"`, () => calls.rename(cPath(from), cPath(to))),
    remove: (path) =>
      doing(`remove "${path}"`, () => {
        const at = cPath(path);
        if (statOf(calls.stat(at)).kind === "directory") calls.removeDirectory(at);
        else calls.unlink(at);
      }),
    setAttributes: (path, attributes, kind) =>
      doing(
        `set the attributes of "${path}"`,
        () => setAttributes(calls, cPath(path), { ...attributes, kind }),
      ),
    sync: () => Promise.resolve(),
  };
}

function detailsOver(calls: FileCalls): FileDetails {
  return {
    makeFifo: (path) => doing(`make fifo "${path}"`, () => calls.makeFifo(cPath(path))),
    attributes: (path) =>
      doing(`list attributes of "${path}"`, () => userAttributes(calls, cPath(path))),
    setAttribute: (path, { name, value }) =>
      doing(`set an attribute of "${path}"`, () => {
        try {
          calls.setAttribute(cPath(path), terminated(name), value);
          return true;
        } catch (error) {
          if (NOT_TAKEN.includes((error as CallError).code)) return false;
          throw error;
        }
      }),
  };
}

function userAttributes(calls: FileCalls, path: CPath): ExtendedAttribute[] {
  const isUser = (name: Uint8Array) => USER.every((byte, i) => name[i] === byte);
  try {
    return calls.attributeNames(path).filter(isUser)
      .map((name) => ({ name, value: calls.attribute(path, terminated(name)) }));
  } catch (error) {
    const { code } = error as CallError;
    if (code === "ENOTSUP" || code === "EOPNOTSUPP") return [];
    throw error;
  }
}

/** What is no file is left to the runtime. */
function isFile(calls: FileCalls, path: CPath): boolean {
  return KINDS[calls.stat(path, "follow").mode >> TYPE_SHIFT] === "file";
}

async function* readParts(calls: FileCalls, path: string): AsyncGenerator<FilePart> {
  const action = `read "${path}"`;
  const at = cPath(path);
  if (!await doing(action, () => isFile(calls, at))) return yield* LOCAL_FILES.read(path);
  using file = await doing(action, () => calls.open(at, fsConstants.O_RDONLY));
  const { descriptor } = file;
  yield* partsOf({
    dataRun: (offset) => doing(action, () => calls.dataRun(descriptor, offset)),
    read: (offset, into) => doing(action, () => calls.read(descriptor, offset, into)),
    size: () => doing(action, () => calls.size(descriptor)),
  });
}

async function write(
  calls: FileCalls,
  { path, mode }: { readonly path: string; readonly mode: number },
  parts: AsyncIterable<FilePart>,
): Promise<void> {
  const action = `write "${path}"`;
  const at = cPath(path);
  const isOther = await doing(action, () => {
    try {
      return !isFile(calls, at);
    } catch (error) {
      if ((error as CallError).code === "ENOENT") return false;
      throw error;
    }
  });
  if (isOther) return await LOCAL_FILES.write(path, parts);
  const { O_WRONLY, O_CREAT, O_TRUNC } = fsConstants;
  using file = await doing(action, () => calls.open(at, O_WRONLY | O_CREAT | O_TRUNC, mode));
  const { descriptor } = file;
  await writeParts(parts, {
    write: (offset, bytes) => doing(action, () => calls.write(descriptor, offset, bytes)),
    truncate: (size) => doing(action, () => calls.truncate(descriptor, size)),
  });
}

function setAttributes(
  calls: FileCalls,
  path: CPath,
  { mode, owner, times, kind }: NodeAttributes & { readonly kind: NodeKind },
): void {
  // Owner first: changing it clears setuid and setgid.
  if (owner !== undefined) calls.chown(path, owner.uid, owner.gid);
  if (mode !== undefined && kind !== "symlink") calls.chmod(path, mode);
  if (times !== undefined) calls.setTimes(path, times.accessed, times.modified);
}

function statOf(stat: StatResult): NodeStat {
  const { mode, size, uid, gid, links, modified, accessed, identity } = stat;
  const kind = KINDS[mode >> TYPE_SHIFT] ?? "file";
  return {
    kind,
    bytes: size,
    mode: mode & PERMISSIONS,
    uid,
    gid,
    links,
    modified,
    accessed,
    identity,
  };
}

function cPath(text: string): CPath {
  return terminated(pathBytes(text));
}

function terminated(name: Uint8Array): CPath {
  const path = new Uint8Array(name.length + 1);
  path.set(name);
  return path;
}

/** Runs calls; their failure says that it could not `action`. */
function doing<T>(action: string, act: () => T): Promise<T> {
  try {
    return Promise.resolve(act());
  } catch (error) {
    return Promise.reject(hostError(`Cannot ${action}`, error));
  }
}
