import { VaultError } from "../errors.ts";
import { indexOf, type LockRecord } from "../format/lock_record.ts";
import type { LockedChange } from "../format/stream_lock.ts";
import { KEY_TYPE, keyIno } from "../format/volume_key.ts";
import type { Engine } from "../volume/engine.ts";
import type { LineLocks } from "../volume/lock_table.ts";

/** Kernel memory for one block. */
interface Area {
  readonly address: number;
  readonly bytes: number;
}

/** What a stream says of files that are locked or shredded: nobody has to know a passphrase for it. */
export class LockedSource {
  readonly #engine: Engine;
  readonly #locks: LineLocks;
  readonly #area: Area;
  /** The file whose lock was told last: records of one file lie side by side. */
  #told = 0;

  constructor(engine: Engine, locks: LineLocks, area: Area) {
    this.#engine = engine;
    this.#locks = locks;
    this.#area = area;
  }

  /** The lock of the file whose content a key is about; null where it has none, or the key is about something else. */
  of(key: Uint8Array): LockRecord | null {
    if (key[0] !== KEY_TYPE.inline && key[0] !== KEY_TYPE.extent) return null;
    const ino = keyIno(key);
    const record = this.#locks.records.get(ino) ?? null;
    const isDone = record === null || (record.secret === null && !record.erasing);
    if (isDone) return record;
    throw new VaultError(
      "conflict",
      `Cannot send the snapshot: locking or shredding the file with inode number ${ino} was cut short; finish it first`,
      { operation: "send" },
    );
  }

  /** What has to be known before a file's content. */
  *lock(key: Uint8Array, record: LockRecord): Generator<LockedChange> {
    const ino = keyIno(key);
    if (this.#told === ino) return;
    this.#told = ino;
    yield { kind: "lock", ino, record };
  }

  /** The inline data that stands in a tree; nothing of a shredded file. */
  *inline(key: Uint8Array, record: LockRecord, stored: Uint8Array): Generator<LockedChange> {
    if (record.state === "shredded") return;
    const [ino, length, index] = [keyIno(key), stored.length, indexOf(stored)];
    const { keyTable } = this.#engine.store.catalog;
    const content = keyTable.inline({ secretId: record.secretId, length, index });
    if (content === null) throw damaged(ino);
    yield { kind: "lockedInline", ino, length, index, content };
  }

  /** A block; its content is valid until the next one. */
  block(key: Uint8Array, first: number, id: number): LockedChange & { kind: "lockedBlock" } {
    const { store: { blocks }, kernel } = this.#engine;
    const { address } = this.#area;
    const { inner, codec, length, stored } = blocks.getStored(id, this.#area);
    if (inner === null) throw damaged(keyIno(key));
    const { nonce, tag } = inner;
    const content = kernel.bytes.subarray(address, address + stored);
    return { kind: "lockedBlock", ino: keyIno(key), first, codec, length, nonce, tag, content };
  }
}

function damaged(ino: number): VaultError {
  return new VaultError(
    "corrupt",
    `Cannot send the file with inode number ${ino}: it is locked, and its content is not; run "check"`,
  );
}
