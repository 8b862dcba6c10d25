import { compare } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { indexOf, isPlaceholder, type LockRecord } from "../format/lock_record.ts";
import type { LockedChange } from "../format/stream_lock.ts";
import { badRecord } from "../format/stream_record.ts";
import { hasContent } from "../volume/file_blocks.ts";
import { lockedElsewhere } from "../volume/receiving.ts";
import type { Volume } from "../volume/volume.ts";

/**
 * Takes the locks of files that are received: under the same passphrase, which nobody here has to know. Those of a difference are
 * kept apart, under the number of the branch that it is received on, until the end of it makes them the line's.
 */
export class LockedTarget {
  readonly #volume: Volume;
  /** Secrets of files whose locks the stream has told. */
  readonly #told = new Map<number, number>();

  constructor(volume: Volume) {
    this.#volume = volume;
  }

  /** The lock of a file. Its content is refused in clear from now on, and what is here already must not be in clear. */
  lock({ ino, record }: LockedChange & { kind: "lock" }): void {
    const { engine, branchId, tree } = this.#volume;
    const known = this.#known(ino);
    const fits = known === null ? !hasContent(tree, ino) : isSame(known, record);
    if (!fits) throw lockedElsewhere(ino);
    if (known !== null) return void this.#told.set(ino, known.secretId);
    engine.checkWritable();
    const secretId = engine.store.blocks.allocateIds(1);
    engine.durability.changeCatalog(() => {
      engine.locks.put({ line: branchId, ino }, { ...record, secretId });
    });
    this.#told.set(ino, secretId);
  }

  /** The inline data of a locked file, for what stands in the tree. */
  inline({ ino, length, index, content }: LockedChange & { kind: "lockedInline" }): void {
    const { engine } = this.#volume;
    const name = { secretId: this.secret(ino).secretId, length, index };
    const { keyTable } = engine.store.catalog;
    const known = keyTable.inline(name);
    if (known === null) {
      engine.checkWritable();
      return engine.durability.changeCatalog(() => keyTable.putInline(name, content));
    }
    // Other trees have it, and only its passphrase could tell which of two is right.
    const isSame = compare(known.nonce, content.nonce) === 0 &&
      compare(known.sealed, content.sealed) === 0;
    if (!isSame) throw lockedElsewhere(ino);
  }

  /** The lock of a file that has a secret. */
  secret(ino: number): LockRecord {
    const record = this.#current(ino);
    if (record?.state !== "locked") throw badRecord("the file is not locked");
    return record;
  }

  /** Throws where these bytes may not be the inline data of a file: of a locked one, what stands for it is the same everywhere. */
  checkInline(ino: number, value: Uint8Array): void {
    const record = this.#current(ino);
    if (record?.state === "shredded") return;
    if (record?.state !== "locked") return this.checkContent(ino);
    if (!this.#standsFor(record.secretId, value)) this.checkContent(ino);
  }

  #standsFor(secretId: number, value: Uint8Array): boolean {
    if (!isPlaceholder(value)) return false;
    const name = { secretId, length: value.length, index: indexOf(value) };
    return this.#volume.store.catalog.keyTable.inline(name) !== null;
  }

  /** Throws where a file takes no content in clear: it would be taken for sealed. */
  checkContent(ino: number): void {
    if (this.#current(ino) === null) return;
    throw new VaultError(
      "denied",
      `Cannot receive the snapshot: it changes the file with inode number ${ino}, which is locked or shredded here; unlock it first`,
      { operation: "receive" },
    );
  }

  /** The lock of a file, which is the one that the stream knows: else what is sealed would be taken for something else. */
  #current(ino: number): LockRecord | null {
    const record = this.#known(ino);
    const told = this.#told.get(ino);
    if (told === undefined || told === record?.secretId) return record;
    throw new VaultError(
      "conflict",
      `Cannot receive the snapshot: the file with inode number ${ino} was unlocked here meanwhile; begin again`,
      { operation: "receive" },
    );
  }

  #known(ino: number): LockRecord | null {
    const { engine: { locks }, branchId, locks: { line } } = this.#volume;
    return locks.of({ line, ino }) ?? locks.of({ line: branchId, ino });
  }
}

/** A secret that is wrapped has a salt of its own, wherever it was sent. */
function isSame(known: LockRecord, record: LockRecord): boolean {
  if (known.wrapped === null || record.wrapped === null) return known.wrapped === record.wrapped;
  return known.state === "locked" && compare(known.wrapped.salt, record.wrapped.salt) === 0;
}
