import { Tree } from "../btree/tree.ts";
import { VaultError } from "../errors.ts";
import { DIRENT_NAME_AT, direntIno } from "../format/dirent.ts";
import { decodeExtent, emptyExtent, type Extent } from "../format/extent.ts";
import { decodeInode, emptyInode } from "../format/inode.ts";
import {
  encodeEntryKey,
  encodeExtentKey,
  ENTRY_KEY_BYTES,
  EXTENT_KEY_BYTES,
  KEY_TYPE,
  keyIno,
  nodeKey,
  ROOT_INO,
} from "../format/volume_key.ts";
import type { Engine } from "../volume/engine.ts";
import { datasets, type NamedTree } from "./lost_datasets.ts";

/** Directories above one another that a path is followed through. */
const DEPTH_MAX = 4096;

/** A file, and where it is. */
export interface PlacedPath {
  readonly path: string;
  /** In words; empty for the first volume as it is. */
  readonly where: string;
}

/** The file that each of these blocks belongs to, in one of the volumes and snapshots that have it, as far as trees can be read. */
export function findPaths(engine: Engine, ids: readonly number[]): Map<number, PlacedPath> {
  const paths = new Map<number, PlacedPath>();
  for (const dataset of ids.length === 0 ? [] : readable(() => datasets(engine), [])) {
    const left = ids.filter((id) => !paths.has(id));
    if (left.length === 0) break;
    const pages = engine.store.readPages();
    const found = readable(() => pathsIn(new Tree(pages, pages.page(dataset.root)), left), []);
    const where = whereOf(engine, dataset);
    for (const [id, path] of found) paths.set(id, { path, where });
    engine.store.trim();
  }
  return paths;
}

/** Without a readable tree there are no names. */
function readable<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof VaultError) return otherwise;
    throw error;
  }
}

function whereOf({ store: { catalog } }: Engine, { volume, snapshot }: NamedTree): string {
  const isFirst = readable(() => catalog.volumes()[0]?.name === volume, false);
  if (snapshot !== null) return ` of volume "${volume}", snapshot "${snapshot}",`;
  return isFirst ? "" : ` of volume "${volume}"`;
}

function pathsIn(tree: Tree, ids: readonly number[]): [number, string][] {
  const owners = ownersOf(tree, ids);
  const names = namesOf(tree, new Set(owners.values()));
  const paths: [number, string][] = [];
  for (const [id, ino] of owners) {
    const name = names.get(ino);
    if (name !== undefined) paths.push([id, pathOf(tree, name)]);
  }
  return paths;
}

/** Block id → inode. */
function ownersOf(tree: Tree, ids: readonly number[]): Map<number, number> {
  const owners = new Map<number, number>();
  const extent: Extent = emptyExtent();
  const from = encodeExtentKey(new Uint8Array(EXTENT_KEY_BYTES), 0, 0);
  tree.scan(from, (key, value) => {
    if (key[0] !== KEY_TYPE.extent) return false;
    decodeExtent(value, extent);
    for (const id of ids) {
      if (id >= extent.firstId && id < extent.firstId + extent.count) owners.set(id, keyIno(key));
    }
    return owners.size < ids.length;
  });
  return owners;
}

interface Name {
  readonly directory: number;
  readonly name: string;
}

/** Inode → one of its names. */
function namesOf(tree: Tree, inos: ReadonlySet<number>): Map<number, Name> {
  const names = new Map<number, Name>();
  const text = new TextDecoder();
  tree.scan(new Uint8Array([KEY_TYPE.entry]), (key, value) => {
    if (key[0] !== KEY_TYPE.entry) return false;
    const ino = direntIno(value);
    if (inos.has(ino)) {
      names.set(ino, { directory: keyIno(key), name: text.decode(value.slice(DIRENT_NAME_AT)) });
    }
    return names.size < inos.size;
  });
  return names;
}

function pathOf(tree: Tree, last: Name): string {
  const parts = [last.name];
  let directory = last.directory;
  for (let depth = 0; directory !== ROOT_INO && depth < DEPTH_MAX; depth++) {
    const above = nameOfDirectory(tree, directory);
    if (above === null) return `?/${parts.join("/")}`;
    parts.unshift(above.name);
    directory = above.directory;
  }
  return `/${parts.join("/")}`;
}

function nameOfDirectory(tree: Tree, ino: number): Name | null {
  const record = tree.get(
    nodeKey(KEY_TYPE.inode, ino),
  );
  if (record === null) return null;
  const inode = emptyInode();
  decodeInode(record, inode);
  let found: Name | null = null;
  const from = encodeEntryKey(new Uint8Array(ENTRY_KEY_BYTES), inode.parent, 0);
  tree.scan(from, (key, value) => {
    if (key[0] !== KEY_TYPE.entry || keyIno(key) !== inode.parent) return false;
    if (direntIno(value) !== ino) return true;
    const name = new TextDecoder().decode(value.slice(DIRENT_NAME_AT));
    found = { directory: inode.parent, name };
    return false;
  });
  return found;
}
