/**
 * Shredding by forgetting: where all content of a file has always been sealed under a secret of its own.
 *
 * @module
 */
import { wipe } from "../bytes.ts";
import { decodeInode, emptyInode } from "../format/inode.ts";
import type { LineFile } from "../format/lock_record.ts";
import { KEY_TYPE, nodeKey } from "../format/volume_key.ts";
import type { Engine } from "../volume/engine.ts";
import { everyTree } from "../volume/every_tree.ts";
import { blocksOfFile } from "../volume/file_blocks.ts";

/** The key of a file's inode in every tree. */
export function inodeKey({ ino }: LineFile): Uint8Array {
  return nodeKey(KEY_TYPE.inode, ino);
}

/** The secrets of a file, where all its content in all trees is under them; null where some is not. All heads are stored. */
export function secretsOf({ store }: Engine, file: LineFile): ReadonlySet<number> | null {
  const secrets = new Set<number>();
  const inlineKey = nodeKey(KEY_TYPE.inline, file.ino);
  for (const tree of everyTree(store, file.line)) {
    const inode = emptyInode();
    const record = tree.get(inodeKey(file));
    if (record !== null) decodeInode(record, inode);
    if (inode.secret !== 0) secrets.add(inode.secret);
    if (tree.get(inlineKey) !== null) return null;
  }
  for (const { first, end } of blocksOfFile(store, file)) {
    for (let id = first; id < end; id++) {
      const inner = store.blocks.entry(id)?.inner;
      if (inner === undefined || inner === null || !secrets.has(inner.secretId)) return null;
    }
  }
  return secrets.size === 0 ? null : secrets;
}

/** Forgets the secrets of a file in one root, from which on it is denied. Older superblocks still open what it was. */
export function forgetSecrets(engine: Engine, file: LineFile, secrets: ReadonlySet<number>): void {
  const { locks } = engine;
  let before: Uint8Array = new Uint8Array(0);
  engine.asOneRoot(inodeKey(file), () => {
    before = locks.secrets.forget(secrets);
    const counts = { attempts: 0, lastAttempt: 0 };
    const [secretId] = secrets;
    const none = { wrapped: null, secret: null };
    locks.put(file, { state: "forgetting", erasing: true, secretId, ...counts, ...none });
  });
  wipe(before);
}
