import type { FilePath } from "../vault/path_failure.ts";
import type { FileStatus } from "../vault/file_status.ts";
import type { Vault } from "../vault/vault.ts";
import { type FilePart, partsOf, writeParts } from "./file_parts.ts";
import type {
  ExtendedAttribute,
  FileDetails,
  FileTree,
  NodeAttributes,
  NodeKind,
  NodeStat,
} from "./file_tree.ts";
import { pathBytes, pathText } from "./path_text.ts";

/** What a name of the owner's attributes begins with. */
const USER = new TextEncoder().encode("user.");

/** The files of an open vault, or of a volume or snapshot of it. */
export type ShownFiles = Pick<Vault, "files" | "readOnly" | "commit">;

/** Them as a tree. */
export function vaultTree(vault: ShownFiles): FileTree {
  const { files } = vault;
  const stat = (path: FilePath) => files.stat(path, { followSymlinks: false });
  return {
    namesAreUnique: true,
    details: vaultDetails(vault),
    stat: async (path) => statOf(await stat(pathBytes(path))),
    isStream: () => Promise.resolve(false), // what it names is not in the vault
    list: async (path) =>
      (await files.list(pathBytes(path))).map(({ nameBytes }) => pathText(nameBytes)),
    read: (path) => readParts(vault, pathBytes(path)),
    write: (path, parts) => write(vault, pathBytes(path), parts),
    makeDirectory: (path) => files.makeDirectory(pathBytes(path)),
    symlink: (target, path) => files.symlink(pathBytes(target), pathBytes(path)),
    readLink: async (path) => pathText(await files.readLinkBytes(pathBytes(path))),
    link: (existing, path) => files.link(pathBytes(existing), pathBytes(path)),
    rename: (from, to) => files.rename(pathBytes(from), pathBytes(to)),
    remove: (path) => files.remove(pathBytes(path)),
    setAttributes: (path, attributes, kind) =>
      setAttributes(vault, pathBytes(path), { ...attributes, kind }),
    sync: async () => {
      if (!vault.readOnly) await vault.commit();
    },
  };
}

function vaultDetails({ files }: ShownFiles): FileDetails {
  return {
    makeFifo: (path) => files.makeFifo(pathBytes(path)),
    async attributes(path) {
      const at = pathBytes(path);
      const found: ExtendedAttribute[] = [];
      for (const name of await files.attributeNames(at)) {
        if (!USER.every((byte, i) => name[i] === byte)) continue;
        found.push({ name, value: await files.getAttribute(at, name) });
      }
      return found;
    },
    async setAttribute(path, { name, value }) {
      await files.setAttribute(pathBytes(path), name, value);
      return true;
    },
  };
}

async function* readParts({ files }: ShownFiles, path: FilePath): AsyncGenerator<FilePart> {
  await using file = await files.open(path);
  yield* partsOf({
    dataRun: (offset) => file.dataRun(offset),
    read: (offset, into) => file.readInto(offset, into),
    size: async () => (await file.stat()).size,
  });
}

async function write(
  { files }: ShownFiles,
  path: FilePath,
  parts: AsyncIterable<FilePart>,
): Promise<void> {
  await using file = await files.open(path, { access: "write", create: "allow", truncate: true });
  await writeParts(parts, file);
}

async function setAttributes(
  { files }: ShownFiles,
  path: FilePath,
  { mode, owner, times, kind }: NodeAttributes & { readonly kind: NodeKind },
): Promise<void> {
  // Owner first: changing it clears setuid and setgid.
  if (owner !== undefined) await files.chown(path, owner.uid, owner.gid);
  if (mode !== undefined && kind !== "symlink") await files.chmod(path, mode);
  if (times !== undefined) await files.utimes(path, times);
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
    modified: times.mtime,
    accessed: times.atime,
    identity: `${ino}`,
  };
}
