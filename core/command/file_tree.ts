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
  /** Milliseconds since 1970, with a fraction. */
  readonly modified: number;
  readonly accessed: number;
  /** Names the same thing under several names; "" where it cannot be told. */
  readonly identity: string;
}

/** What to set on a node that was made. What is left out stays. */
export interface NodeAttributes {
  readonly mode?: number;
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly times?: { readonly accessed: number; readonly modified: number };
}

/**
 * Files of the machine, of an unmounted vault, or of a mounted one: what the verbs that move data work on. Paths are
 * absolute with `/`. Failures are `VaultError`s: no such name is `missing`, an existing one `conflict`.
 */
export interface FileTree {
  /** A directory met twice is damage. The machine's own may be met again below a bind mount. */
  readonly namesAreUnique: boolean;
  /** Does not follow symlinks. */
  stat(path: string): Promise<NodeStat>;
  /** Names, in any order, without `.` and `..`. */
  list(path: string): Promise<string[]>;
  /** The bytes of a file in chunks; each is valid until the next is asked for. */
  read(path: string): AsyncIterable<Uint8Array>;
  /** Makes or replaces a file. */
  write(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  makeDirectory(path: string): Promise<void>;
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
