import { VaultError } from "../errors.ts";
import { DIRENT_NAME_AT, direntIno } from "../format/dirent.ts";
import { decodeExtent, type Extent } from "../format/extent.ts";
import { decodeInode, emptyInode } from "../format/inode.ts";
import {
  encodeEntryKey,
  encodeExtentKey,
  encodeNodeKey,
  ENTRY_KEY_BYTES,
  EXTENT_KEY_BYTES,
  KEY_TYPE,
  keyIno,
  NODE_KEY_BYTES,
} from "../format/volume_key.ts";
import type { VolumeStore } from "../volume/volume_store.ts";

const ROOT_INO = 1;
/** Directories above one another that a path is followed through. */
const DEPTH_MAX = 4096;

/** The path of the file that each of these blocks belongs to, as far as the tree can be read. */
export function findPaths(volume: VolumeStore, ids: readonly number[]): Map<number, string> {
  const paths = new Map<number, string>();
  if (ids.length === 0) return paths;
  try {
    const owners = ownersOf(volume, ids);
    const names = namesOf(volume, new Set(owners.values()));
    for (const [id, ino] of owners) {
      const name = names.get(ino);
      if (name !== undefined) paths.set(id, pathOf(volume, name));
    }
  } catch (error) {
    if (!(error instanceof VaultError)) throw error; // without a readable tree there are no names
  }
  return paths;
}

/** Block id → inode. */
function ownersOf(volume: VolumeStore, ids: readonly number[]): Map<number, number> {
  const owners = new Map<number, number>();
  const extent: Extent = { count: 1, firstId: 0, tailCells: 0, unwritten: false };
  const from = encodeExtentKey(new Uint8Array(EXTENT_KEY_BYTES), 0, 0);
  volume.tree.scan(from, (key, value) => {
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
function namesOf(volume: VolumeStore, inos: ReadonlySet<number>): Map<number, Name> {
  const names = new Map<number, Name>();
  const text = new TextDecoder();
  volume.tree.scan(new Uint8Array([KEY_TYPE.entry]), (key, value) => {
    if (key[0] !== KEY_TYPE.entry) return false;
    const ino = direntIno(value);
    if (inos.has(ino)) {
      names.set(ino, { directory: keyIno(key), name: text.decode(value.slice(DIRENT_NAME_AT)) });
    }
    return names.size < inos.size;
  });
  return names;
}

function pathOf(volume: VolumeStore, last: Name): string {
  const parts = [last.name];
  let directory = last.directory;
  for (let depth = 0; directory !== ROOT_INO && depth < DEPTH_MAX; depth++) {
    const above = nameOfDirectory(volume, directory);
    if (above === null) return `?/${parts.join("/")}`;
    parts.unshift(above.name);
    directory = above.directory;
  }
  return `/${parts.join("/")}`;
}

function nameOfDirectory(volume: VolumeStore, ino: number): Name | null {
  const record = volume.tree.get(
    encodeNodeKey(new Uint8Array(NODE_KEY_BYTES), KEY_TYPE.inode, ino),
  );
  if (record === null) return null;
  const inode = emptyInode();
  decodeInode(record, inode);
  let found: Name | null = null;
  const from = encodeEntryKey(new Uint8Array(ENTRY_KEY_BYTES), inode.parent, 0);
  volume.tree.scan(from, (key, value) => {
    if (key[0] !== KEY_TYPE.entry || keyIno(key) !== inode.parent) return false;
    if (direntIno(value) !== ino) return true;
    const name = new TextDecoder().decode(value.slice(DIRENT_NAME_AT));
    found = { directory: inode.parent, name };
    return false;
  });
  return found;
}
