import { MIB } from "../limits.ts";
import type { FileStatus } from "../vault/file_status.ts";
import type { Vault } from "../vault/vault.ts";
import { dataRuns } from "./data_runs.ts";
import type { FileTree, NodeAttributes, NodeKind, NodeStat } from "./file_tree.ts";

const CHUNK_BYTES = MIB;

/** The files of an open vault. */
export function vaultTree(vault: Vault): FileTree {
  const { files } = vault;
  return {
    namesAreUnique: true,
    stat: async (path) => statOf(await files.stat(path, { followSymlinks: false })),
    list: async (path) => (await files.list(path)).map(({ name }) => name),
    read: (path) => readChunks(vault, path),
    write: (path, chunks) => writeChunks(vault, path, chunks),
    makeDirectory: (path) => files.makeDirectory(path),
    symlink: (target, path) => files.symlink(target, path),
    readLink: (path) => files.readLink(path),
    link: (existing, path) => files.link(existing, path),
    rename: (from, to) => files.rename(from, to),
    remove: (path) => files.remove(path),
    setAttributes: (path, attributes, kind) => setAttributes(vault, path, { ...attributes, kind }),
    sync: async () => {
      if (!vault.readOnly) await vault.commit();
    },
  };
}

async function* readChunks({ files }: Vault, path: string): AsyncGenerator<Uint8Array> {
  await using file = await files.open(path);
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let offset = 0;;) {
    const length = await file.readInto(offset, chunk);
    if (length === 0) return;
    yield chunk.subarray(0, length);
    offset += length;
  }
}

async function writeChunks(
  { files }: Vault,
  path: string,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  await using file = await files.open(path, { access: "write", create: "allow", truncate: true });
  let offset = 0;
  let written = 0;
  for await (const chunk of chunks) {
    for (const { from, to } of dataRuns(chunk)) {
      await file.write(offset + from, chunk.subarray(from, to));
      written = offset + to;
    }
    offset += chunk.length;
  }
  if (written < offset) await file.truncate(offset);
}

async function setAttributes(
  { files }: Vault,
  path: string,
  { mode, owner, times, kind }: NodeAttributes & { readonly kind: NodeKind },
): Promise<void> {
  // Owner first: changing it clears setuid and setgid.
  if (owner !== undefined) await files.chown(path, owner.uid, owner.gid);
  if (mode !== undefined && kind !== "symlink") await files.chmod(path, mode);
  if (times === undefined) return;
  const { accessed, modified } = times;
  await files.utimes(path, { accessed: timeOf(accessed), modified: timeOf(modified) });
}

function timeOf(milliseconds: number): { seconds: number; nanoseconds: number } {
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanoseconds: Math.floor((milliseconds - seconds * 1000) * 1e6) };
}

function statOf(status: FileStatus): NodeStat {
  const { type, size, mode, uid, gid, links, ino, times } = status;
  return {
    kind: type === "unknown" ? "file" : type,
    bytes: size,
    mode,
    uid,
    gid,
    links,
    modified: times.mtime.seconds * 1000 + times.mtime.nanoseconds / 1e6,
    accessed: times.atime.seconds * 1000 + times.atime.nanoseconds / 1e6,
    identity: `${ino}`,
  };
}
