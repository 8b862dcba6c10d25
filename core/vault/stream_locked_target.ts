import { compare } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import type { LineFile, LockRecord } from "../format/lock_record.ts";
import type { LockedChange } from "../format/stream_lock.ts";
import { badRecord } from "../format/stream_record.ts";
import { encodeNodeKey, KEY_TYPE, NODE_KEY_BYTES } from "../format/volume_key.ts";
import { hasRecord } from "../volume/every_tree.ts";
import { blocksOfFile } from "../volume/file_blocks.ts";
import type { Volume } from "../volume/volume.ts";

/** Takes the locks of files that are received: under the same passphrase, which nobody here has to know. */
export class LockedTarget {
  readonly #volume: Volume;

  constructor(volume: Volume) {
    this.#volume = volume;
  }

  /** The lock of a file. Its content is refused in clear from now on, and what is here already must not be in clear. */
  lock({ ino, record }: LockedChange & { kind: "lock" }): void {
    const { engine, locks: { line } } = this.#volume;
    const file = { line, ino };
    const known = engine.locks.of(file);
    if (known !== null && isSame(known, record)) return;
    if (known !== null || this.#hasContent(file)) throw another(ino);
    engine.checkWritable();
    const secretId = engine.store.blocks.allocateIds(1);
    engine.durability.changeCatalog(() => engine.locks.put(file, { ...record, secretId }));
  }

  #hasContent(file: LineFile): boolean {
    const { engine } = this.#volume;
    engine.commitNow(); // so that all heads are stored
    const inline = encodeNodeKey(new Uint8Array(NODE_KEY_BYTES), KEY_TYPE.inline, file.ino);
    return blocksOfFile(engine.store, file).length > 0 ||
      hasRecord(engine.store, file.line, inline);
  }

  /** The inline data of a locked file, for what stands in the tree. */
  inline({ ino, length, index, content }: LockedChange & { kind: "lockedInline" }): void {
    const { engine } = this.#volume;
    const { secretId } = this.secret(ino);
    engine.checkWritable();
    engine.durability.changeCatalog(() => {
      engine.store.catalog.keyTable.putInline({ secretId, length, index }, content);
    });
  }

  /** The lock of a file that has a secret. */
  secret(ino: number): LockRecord {
    const { engine, locks: { line } } = this.#volume;
    const record = engine.locks.of({ line, ino });
    if (record?.state !== "locked") throw badRecord("the file is not locked");
    return record;
  }
}

/** A secret that is wrapped has a salt of its own, wherever it was sent. */
function isSame(known: LockRecord, record: LockRecord): boolean {
  if (known.wrapped === null || record.wrapped === null) return known.wrapped === record.wrapped;
  return known.state === "locked" && compare(known.wrapped.salt, record.wrapped.salt) === 0;
}

function another(ino: number): VaultError {
  return new VaultError(
    "conflict",
    `Cannot receive the snapshot: the file with inode number ${ino} is locked there in another way than here; send all of it, into another volume`,
    { operation: "receive" },
  );
}
