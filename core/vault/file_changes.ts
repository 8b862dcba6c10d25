import { compare } from "../bytes.ts";
import { DIRENT_NAME_AT, direntIno, direntType } from "../format/dirent.ts";
import { decodeInode, emptyInode, type Inode } from "../format/inode.ts";
import { KEY_TYPE, keyIno } from "../format/volume_key.ts";
import { directoryType, isDirectory, S_IFDIR } from "../fs/mode.ts";
import type { DifferenceVisitor } from "../tree/tree_difference.ts";
import { joined } from "./file_access.ts";
import { type FileType, typeOf } from "./file_status.ts";
import { shownPath } from "./path_failure.ts";
import { type NamedInode, TreeNames, type TreeReader } from "./tree_names.ts";

/** What happened to a name. */
export type FileChangeKind = "added" | "removed" | "modified" | "renamed";

/** A difference between two states of a volume. */
export interface FileChange {
  /** What happened. */
  readonly kind: FileChangeKind;
  /** What it is. */
  readonly type: FileType;
  /** Where it is; of what was removed, where it was. Bytes that are not UTF-8 show as U+FFFD. */
  readonly path: string;
  /** The path as it is. */
  readonly pathBytes: Uint8Array<ArrayBuffer>;
  /** Where it was, of what was renamed. What is in a renamed directory is not listed for that. */
  readonly from?: string;
  /** Likewise, as it is. */
  readonly fromBytes?: Uint8Array<ArrayBuffer>;
}

const DIRECTORY = directoryType(S_IFDIR);

/** Takes records that differ and says which files do. */
export class FileChanges {
  readonly #removed = new Map<string, NamedInode>();
  readonly #added = new Map<string, NamedInode>();
  /** Inodes whose content or attributes differ; those that only one state has are among them. */
  readonly #modified = new Set<number>();
  readonly #old: TreeNames;
  readonly #now: TreeNames;

  /** The two trees that are compared, for names. */
  constructor(before: TreeReader, after: TreeReader) {
    this.#old = new TreeNames(before);
    this.#now = new TreeNames(after);
  }

  /** Notes a record that differs. */
  readonly add: DifferenceVisitor = (key, before, after) => {
    switch (key[0]) {
      case KEY_TYPE.inode:
        if (before !== null && after !== null && areChanged(before, after)) {
          this.#modified.add(keyIno(key));
        }
        return;
      case KEY_TYPE.entry:
        this.#note(this.#removed, keyIno(key), before);
        return this.#note(this.#added, keyIno(key), after);
      case KEY_TYPE.extent:
      case KEY_TYPE.inline:
      case KEY_TYPE.attribute:
      case KEY_TYPE.target:
        this.#modified.add(keyIno(key));
    }
  };

  #note(into: Map<string, NamedInode>, directory: number, value: Uint8Array | null): void {
    if (value === null) return;
    const name = value.slice(DIRENT_NAME_AT) as Uint8Array<ArrayBuffer>;
    const entry = { directory, name, ino: direntIno(value), type: direntType(value) };
    into.set(placeOf(entry), entry);
  }

  /** All changes, in the order of their paths. */
  list(): FileChange[] {
    const replaced = this.#replaced();
    const renamed = this.#renamed();
    const modified = [...replaced, ...this.#modifiedInPlace()];
    this.#old.prepare([...this.#removed.values(), ...renamed.map(({ from }) => from)]);
    this.#now.prepare([...this.#added.values(), ...renamed.map(({ to }) => to), ...modified]);
    const changes = [
      ...[...this.#removed.values()].map((entry) => this.#change("removed", this.#old, entry)),
      ...[...this.#added.values()].map((entry) => this.#change("added", this.#now, entry)),
      ...modified.map((entry) => this.#change("modified", this.#now, entry)),
      ...renamed.map(({ from, to }) => {
        const fromBytes = this.#pathOf(this.#old, from);
        return { ...this.#change("renamed", this.#now, to), from: shownPath(fromBytes), fromBytes };
      }),
    ];
    return changes.sort((a, b) => compare(a.pathBytes, b.pathBytes));
  }

  /** Names that lead to something else of the same type now: programs save so. A name that only moved in its directory stays. */
  #replaced(): NamedInode[] {
    const replaced: NamedInode[] = [];
    for (const [place, now] of this.#added) {
      const old = this.#removed.get(place);
      if (old === undefined || old.type !== now.type || now.type === DIRECTORY) continue;
      this.#added.delete(place);
      this.#removed.delete(place);
      if (old.ino === now.ino) continue;
      this.#modified.delete(now.ino);
      replaced.push(now);
    }
    return replaced;
  }

  /** An inode that lost a name and got one was renamed. */
  #renamed(): { from: NamedInode; to: NamedInode }[] {
    const lost = new Map<number, [string, NamedInode][]>();
    for (const named of this.#removed) {
      const list = lost.get(named[1].ino);
      if (list === undefined) lost.set(named[1].ino, [named]);
      else list.push(named);
    }
    const renamed: { from: NamedInode; to: NamedInode }[] = [];
    for (const [place, to] of this.#added) {
      const named = lost.get(to.ino)?.shift();
      if (named === undefined) continue;
      const [oldPlace, from] = named;
      this.#removed.delete(oldPlace);
      this.#added.delete(place);
      renamed.push({ from, to });
    }
    return renamed;
  }

  /** Every name of an inode that both states have and that differs. */
  #modifiedInPlace(): NamedInode[] {
    const inBoth = [...this.#modified].filter((ino) => this.#old.has(ino) && this.#now.has(ino));
    return this.#now.namesOf(new Set(inBoth)).filter((entry) => !this.#added.has(placeOf(entry)));
  }

  #change(kind: FileChangeKind, names: TreeNames, entry: NamedInode): FileChange {
    const pathBytes = this.#pathOf(names, entry);
    return { kind, type: typeOf(entry.type), path: shownPath(pathBytes), pathBytes };
  }

  #pathOf(names: TreeNames, { directory, name }: NamedInode): Uint8Array<ArrayBuffer> {
    return joined(names.pathOf(directory), name);
  }
}

function placeOf({ directory, name }: Pick<NamedInode, "directory" | "name">): string {
  return `${directory}/${String.fromCharCode(...name)}`;
}

/** What a change of a name, of the other names, or of the access time alone does to an inode is no change of the file. */
function areChanged(before: Uint8Array, after: Uint8Array): boolean {
  const [a, b] = [inodeOf(before), inodeOf(after)];
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid || a.rdev !== b.rdev) return true;
  if (a.flags !== b.flags) return true;
  if (isDirectory(a.mode)) return false;
  return a.size !== b.size || a.mtime !== b.mtime || a.mtimeNs !== b.mtimeNs;
}

function inodeOf(record: Uint8Array): Inode {
  const inode = emptyInode();
  decodeInode(record, inode);
  return inode;
}
