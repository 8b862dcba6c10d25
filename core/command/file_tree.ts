import type { Time } from "../fs/file_system.ts";
import type { FilePart } from "./file_parts.ts";

/** What kind of thing a name is. */
export type NodeKind =
  | "file"
  | "directory"
  | "symlink"
  | "fifo"
  | "socket"
  | "block-device"
  | "character-device";

/** What `lstat` says. */
export interface NodeStat {
  readonly kind: NodeKind;
  readonly bytes: number;
  /** Permission bits, setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly modified: Time;
  readonly accessed: Time;
  /** Names the same thing under several names; "" where it cannot be told. */
  readonly identity: string;
}

/** What to set on a node that was made. What is left out stays. */
export interface NodeAttributes {
  readonly mode?: number;
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly times?: { readonly accessed: Time; readonly modified: Time };
}

/** An extended attribute of a file or directory, as its owner sets it: the name begins with `user.`. */
export interface ExtendedAttribute {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/** What not every machine can be asked for: see {@linkcode FileTree.details}. */
export interface FileDetails {
  makeFifo(path: string): Promise<void>;
  /** Those of a file or directory; none where they are not supported. */
  attributes(path: string): Promise<ExtendedAttribute[]>;
  /** False where what the path lies on does not take it. */
  setAttribute(path: string, attribute: ExtendedAttribute): Promise<boolean>;
}

/**
 * Files of the machine, of an unmounted vault, or of a mounted one: what the verbs that move data work on. Paths are
 * absolute with `/`; what is not UTF-8 in them is escaped as `path_text.ts` does. Failures are `VaultError`s: no such
 * name is `missing`, an existing one `conflict`.
 */
export interface FileTree {
  /** A directory met twice is damage. The machine's own may be met again below a bind mount. */
  readonly namesAreUnique: boolean;
  /** Null: without them, and names must be UTF-8, times lose what is below a millisecond, holes are read as zeros. */
  readonly details: FileDetails | null;
  /** The tree that this one is a part of, with the same paths. */
  readonly partOf?: FileTree;
  /** Does not follow symlinks. */
  stat(path: string): Promise<NodeStat>;
  /** True where bytes can be written that nobody keeps here: a pipe, a terminal, a device. A symlink that leads nowhere is none. */
  isStream(path: string): Promise<boolean>;
  /** Names, in any order, without `.` and `..`. */
  list(path: string): Promise<string[]>;
  /** A file from its start to its end. */
  read(path: string): AsyncIterable<FilePart>;
  /** Makes or replaces a file. "own": a new one is for its owner alone until its attributes are set. */
  write(path: string, parts: AsyncIterable<FilePart>, access?: "own"): Promise<void>;
  makeDirectory(path: string, access?: "own"): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  readLink(path: string): Promise<string>;
  link(existing: string, path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or an empty directory. */
  remove(path: string): Promise<void>;
  /** Sets what it can; never follows symlinks. */
  setAttributes(path: string, attributes: NodeAttributes, kind: NodeKind): Promise<void>;
  /** Makes everything durable. */
  sync(): Promise<void>;
}

/** What it is, for people: "a block device". */
export function kindText(kind: NodeKind): string {
  return `a ${kind.replace("-", " ")}`;
}

/** The parent of an absolute path. */
export function parentOf(path: string): string {
  const cut = path.lastIndexOf("/");
  return cut <= 0 ? "/" : path.slice(0, cut);
}

/** The last name of a path; "" of the root. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** A path below another. */
export function joinPath(parent: string, name: string): string {
  return parent.endsWith("/") ? parent + name : `${parent}/${name}`;
}

/** An absolute path inside a vault, without `.`, `..`, and double or trailing slashes. */
export function vaultPath(typed: string): string {
  const names: string[] = [];
  for (const name of typed.split("/")) {
    if (name === "" || name === ".") continue;
    if (name === "..") names.pop();
    else names.push(name);
  }
  return "/" + names.join("/");
}
