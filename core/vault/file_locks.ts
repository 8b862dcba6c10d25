/**
 * Locking files under passphrases of their own, and shredding them: in every volume, snapshot and clone of the vault.
 *
 * @module
 */
import { encoded, wipe } from "../bytes.ts";
import type { KdfChoice } from "../crypto/argon2.ts";
import { randomBytes, unwrapSecret, wrapSecret } from "../crypto/file_secret.ts";
import { VaultError } from "../errors.ts";
import type { LineFile, LockRecord, LockState } from "../format/lock_record.ts";
import { KEY_BYTES, RING_CELLS } from "../limits.ts";
import { nextTurn, turns } from "../turn.ts";
import { countTrees, hasRecord } from "../volume/every_tree.ts";
import { blocksOfFile, type IdRange } from "../volume/file_blocks.ts";
import { countAttempt, tooEarly } from "../volume/lock_attempts.ts";
import { requireAll } from "../volume/member_set.ts";
import { eraseFreed, reseal } from "../volume/reseal.ts";
import type {
  EraseOptions,
  FileLockState,
  LockableFile,
  LockOptions,
  UnlockOptions,
} from "./file_lock_options.ts";
import { forgetSecrets, inodeKey, secretsOf } from "./file_forgetting.ts";
import { arriving, checkKdf, lockedAlready, shredded } from "./lock_refusals.ts";
import { drivePass } from "./pass_driver.ts";
import { whenFree } from "./transactions.ts";
import type { Vault } from "./vault.ts";

/** Cells that changed pages of a tree and of the catalog may take. */
const CELLS_PER_TREE = 4;
const CATALOG_CELLS = 64;

/** What a passphrase costs to try unless told otherwise: it guards one file, and is asked for rarely. */
const DEFAULT_KDF: KdfChoice = "moderate";

/** The locks of the files of a vault: one is changed at a time. */
export class FileLocks {
  readonly #vault: Vault;
  readonly #turn = turns();
  /** Secrets since whose making everything that came free has been overwritten. */
  readonly #erased = new Set<LockRecord["secretId"]>();

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  /** How it is with a file. */
  state(file: LineFile): FileLockState {
    const { locks } = this.#engine;
    return locks.isOpen(file) ? "open" : locks.of(file)?.state ?? "none";
  }

  /** Files whose locking, unlocking or shredding was cut short. */
  unfinished(): LineFile[] {
    return this.#engine.locks.unfinished();
  }

  /**
   * Locks a file; where it is open, forgets its secret only. What was cut short is finished under the passphrase that was given
   * first: another one is then `denied`.
   */
  lock(file: LockableFile, options: LockOptions): Promise<void> {
    return this.#inTurn(async () => {
      const { locks } = this.#engine;
      if (locks.isOpen(file)) return locks.close(file);
      const known = locks.of(file);
      if (known === null) await this.#begin(file, await this.#lockedRecord(file, options));
      else if (known.state !== "locking" && !known.erasing) throw lockedAlready(file, known);
      await this.#finish(file, options);
      if (known !== null) wipe(await this.#secretOf(file, options.passphrase));
    });
  }

  async #lockedRecord(file: LockableFile, options: LockOptions): Promise<LockRecord> {
    const { kdf = DEFAULT_KDF } = options;
    checkKdf(kdf);
    const passphrase = encoded(options.passphrase, "a passphrase");
    if (passphrase.length === 0) {
      throw new VaultError("invalid", "Cannot use an empty passphrase: choose a longer one");
    }
    const { record, secret } = this.#freshRecord("locking");
    const owned = { file, secret };
    try {
      return { ...record, wrapped: await wrapSecret(this.#vault.header, owned, passphrase, kdf) };
    } finally {
      if (passphrase !== options.passphrase) wipe(passphrase);
    }
  }

  #freshRecord(state: LockState): { record: LockRecord; secret: Uint8Array } {
    const { engine: { store } } = this.#vault.opened.volume;
    const secret = randomBytes(this.#vault.header, KEY_BYTES);
    this.#engine.checkWritable();
    const secretId = store.blocks.allocateIds(1);
    const counts = { attempts: 0, lastAttempt: 0 };
    return { record: { state, erasing: true, secretId, ...counts, wrapped: null, secret }, secret };
  }

  /** Unlocks a file, for good or to be read until the vault is closed. */
  unlock(file: LockableFile, options: UnlockOptions): Promise<void> {
    return this.#inTurn(async () => {
      const secret = await this.#secretOf(file, options.passphrase);
      try {
        const record = this.#required(file);
        if (options.until === "close") {
          this.#engine.locks.open(file, secret);
          return;
        }
        this.#engine.locks.close(file);
        await this.#note(file, {
          ...record,
          state: "unlocking",
          erasing: false,
          secret: secret.slice(),
        });
      } finally {
        wipe(secret);
      }
      await this.#finish(file, options);
    });
  }

  #required(file: LockableFile): LockRecord {
    const record = this.#engine.locks.of(file);
    if (record === null) {
      throw new VaultError("invalid", `Cannot unlock "${file.path}": it is not locked`, {
        operation: "unlock",
      });
    }
    if (record.wrapped === null) throw shredded("unlock", file);
    return record;
  }

  /** Counts the attempt durably before it is made, so that whoever guesses cannot have it forgotten. */
  async #secretOf(file: LockableFile, given: string | Uint8Array): Promise<Uint8Array> {
    const found = this.#required(file);
    const { record, waitMs } = countAttempt(found, this.#vault.header.runtime.now());
    if (!this.#engine.readOnly && record !== found) await this.#note(file, record);
    if (waitMs > 0) throw tooEarly(file.path, record, waitMs);
    const passphrase = encoded(given, "a passphrase");
    const secret = await unwrapSecret(this.#vault.header, { file, record }, passphrase)
      .finally(() => {
        if (passphrase !== given) wipe(passphrase);
      });
    if (secret === null) {
      throw new VaultError("denied", `Cannot unlock "${file.path}": wrong passphrase`, {
        operation: "unlock",
        errno: "EACCES",
      });
    }
    if (!this.#engine.readOnly) await this.#note(file, { ...record, attempts: 0 });
    return secret;
  }

  /** Makes the content of a file unreadable for ever, wherever it is in the vault. Its names stay. */
  shred(file: LockableFile, options: EraseOptions): Promise<void> {
    return this.#inTurn(async () => {
      const known = this.#engine.locks.of(file);
      const begins = known === null && !await this.#forget(file);
      if (begins) await this.#begin(file, this.#freshRecord("shredding").record);
      else if (known !== null && known.wrapped !== null) await this.#dropSecret(file, known);
      await this.#finish(file, { ...options, freeCells: true });
    });
  }

  /** True where shredding a file forgets a secret only, and touches no free cells. */
  onlyForgets(file: LineFile): Promise<boolean> {
    return this.#whenFree(() => {
      this.#engine.commitNow(); // so that all heads are stored
      return this.#engine.locks.of(file) === null && secretsOf(this.#engine, file) !== null;
    });
  }

  /** Where all content of a file is under secrets that the vault itself has, they are all that has to go. */
  async #forget(file: LockableFile): Promise<boolean> {
    requireAll(this.#engine, { what: `shred "${file.path}" in`, operation: "shred" });
    return await this.#whenFree(() => {
      this.#stored();
      const secrets = secretsOf(this.#engine, file);
      if (secrets !== null) forgetSecrets(this.#engine, file, secrets);
      return secrets !== null;
    });
  }

  /** Every superblock that is left is of a root that does not have the secret. */
  async #hideOlderRoots(file: LineFile, record: LockRecord): Promise<void> {
    for (let i = 0; i < RING_CELLS; i++) {
      await this.#whenFree(() => {
        this.#engine.markChanged();
        this.#engine.commitNow();
      });
    }
    await this.#note(file, { ...record, state: "shredded", erasing: false });
  }

  /** What is locked is shredded by forgetting the secret; what is half so is sealed first. */
  async #dropSecret(file: LineFile, record: LockRecord): Promise<void> {
    const state = record.secret === null ? "shredded" : "shredding";
    this.#engine.locks.close(file);
    await this.#note(file, { ...record, state, erasing: true, wrapped: null });
  }

  /** A file that was shredded has no name any more: where no snapshot has it either, nothing has to be known of it. */
  forgetIfGone(file: LineFile): Promise<void> {
    return this.#inTurn(async () => {
      const { engine } = this.#vault.opened.volume;
      const record = engine.locks.of(file);
      if (record?.state !== "shredded" || record.erasing) return;
      await this.#whenFree(() => engine.commitNow());
      if (!hasRecord(engine.store, file.line, inodeKey(file))) await this.#note(file, null);
    });
  }

  /** Finishes what was cut short with every file: all of it, or all that touches no free cells. */
  async finishAll(options: EraseOptions = {}, what: "all" | "sealing" = "all"): Promise<void> {
    for (const file of this.unfinished()) {
      await this.#inTurn(() => this.#finish(file, options, what));
    }
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.#turn(() => Promise.resolve());
  }

  get #engine() {
    return this.#vault.opened.volume.engine;
  }

  /** False where what was written stays until it is deleted as a whole. */
  get overwrites(): boolean {
    return this.#engine.media.all.every(({ capabilities }) => capabilities.overwrite);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#turn(() => {
      // What is in memory is of no use once a change has failed half-way.
      if (!this.#engine.readOnly) this.#engine.durability.checkWhole();
      return work();
    });
  }

  async #whenFree<T>(work: () => T): Promise<T> {
    return await whenFree(this.#vault.transactions.enter, () => {
      this.#engine.checkNoTransaction();
      return work();
    });
  }

  /** Changes the record by a root. */
  async #note(file: LineFile, record: LockRecord | null): Promise<void> {
    const { locks } = this.#engine;
    await this.#whenFree(() => {
      this.#engine.checkWritable();
      this.#engine.commitNow(() => {
        if (record?.state === "shredded") locks.forgetInline(record.secretId);
        locks.put(file, record);
      });
    });
  }

  /** From now on the content is denied, and what trees had of it is sealed; a root makes it durable. */
  async #begin(file: LockableFile, record: LockRecord): Promise<void> {
    const { volumes, volume: { engine } } = this.#vault.opened;
    const { store, locks } = engine;
    requireAll(engine, { what: `lock "${file.path}" in`, operation: "lock" });
    if (locks.isArriving(file)) throw arriving(file);
    let isBegun = false;
    while (!isBegun) {
      await this.#freeDeleted();
      isBegun = await this.#whenFree(() => {
        // Making room may have deleted a state of the undo history.
        if (!this.#stored()) return false;
        blocksOfFile(store, file); // what is damaged is in the way before anything has changed
        const nodes = locks.inlineNodes(file);
        engine.erasesReleased = this.overwrites;
        this.#erased.add(record.secretId);
        engine.asOneRoot(inodeKey(file), () => {
          locks.takeInline(nodes, record.secretId, record.secret!);
          locks.put(file, record);
        });
        volumes.reloadSnapshots();
        return true;
      });
    }
  }

  /** What is still to be freed is in no tree that could be looked through. */
  async #freeDeleted(): Promise<void> {
    const { volumes, volume: { store } } = this.#vault.opened;
    while (store.freeing.waits) {
      await this.#whenFree(() => volumes.destroyStep());
      await nextTurn();
    }
  }

  /** Brings what is under way with an inode to its end, from wherever it is. */
  async #finish(
    file: LineFile,
    options: EraseOptions,
    what: "all" | "sealing" = "all",
  ): Promise<void> {
    const { locks } = this.#engine;
    const record = locks.of(file);
    if (record?.state === "forgetting") {
      return what === "all" ? await this.#hideOlderRoots(file, record) : undefined;
    }
    if (record !== null && record.state !== "unlocking") {
      this.#engine.erasesReleased = this.overwrites;
    }
    if (record?.secret != null) await this.#seal(file, record, record.secret, options);
    if (what === "all" && locks.of(file)?.erasing === true) await this.#erase(file, options);
    this.#engine.erasesReleased = this.unfinished().length > 0;
  }

  async #seal(
    file: LineFile,
    record: LockRecord,
    secret: Uint8Array,
    { progress, signal }: EraseOptions,
  ): Promise<void> {
    const engine = this.#engine;
    const { locks } = engine;
    const { secretId, state } = record;
    const ranges = await this.#rangesOf(file);
    locks.use(file, secret);
    const order = {
      ranges,
      secretId: state === "unlocking" ? null : secretId,
      blank: state === "shredding",
    };
    await drivePass(this.#vault, reseal(engine, order), { told: progress, signal });
    locks.close(file);
    if (state === "unlocking") await this.#endUnlocking(file, record, secret);
    else {
      const next = state === "shredding" ? "shredded" : "locked";
      await this.#note(file, { ...record, state: next, secret: null });
    }
  }

  /** All its blocks: it cannot get others while it has a record. */
  async #rangesOf(file: LineFile): Promise<IdRange[]> {
    for (;;) {
      await this.#freeDeleted();
      const ranges = await this.#whenFree(() =>
        this.#stored() ? blocksOfFile(this.#engine.store, file) : null
      );
      if (ranges !== null) return ranges;
    }
  }

  async #endUnlocking(
    file: LineFile,
    { secretId }: LockRecord,
    secret: Uint8Array,
  ): Promise<void> {
    const { opened: { volumes, volume: { engine } } } = this.#vault;
    const { locks } = engine;
    await this.#whenFree(() => {
      this.#stored();
      const nodes = locks.inlineNodes(file);
      const contents = locks.inlineContents(nodes, secretId, secret);
      engine.asOneRoot(inodeKey(file), () => {
        locks.giveInlineBack(nodes, contents, secretId);
        locks.put(file, null);
      });
      volumes.reloadSnapshots();
    });
  }

  /** Stores all heads, so that nodes can be changed under their ids; false where something deleted is to be freed first. */
  #stored(): boolean {
    const engine = this.#engine;
    engine.admit(countTrees(engine.store) * CELLS_PER_TREE + CATALOG_CELLS, "write");
    engine.commitNow();
    return !engine.store.freeing.waits;
  }

  /** What a crash, or another program, has left free is not known: then all that is free goes. */
  async #erase(
    file: LineFile,
    { freeCells = false, progress, signal }: EraseOptions,
  ): Promise<void> {
    const { medium: { capabilities: { discard }, supportsSparse } } = this.#vault;
    const secretId = this.#engine.locks.of(file)?.secretId ?? 0;
    const allFree = this.overwrites && (freeCells || !this.#erased.has(secretId));
    const discards = !this.#engine.store.dense && supportsSparse && discard;
    await drivePass(this.#vault, eraseFreed(this.#engine, { allFree, discards }), {
      told: progress,
      signal,
    });
    const record = this.#engine.locks.of(file);
    if (record !== null) await this.#note(file, { ...record, erasing: false });
  }
}
