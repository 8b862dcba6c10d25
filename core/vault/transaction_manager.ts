import { VaultError } from "../errors.ts";
import { openFileSystem, type PosixFileSystem } from "../fs/posix_file_system.ts";
import { MIB, TIMEOUT_MS_MAX } from "../limits.ts";
import { FileTransfer } from "./file_transfer.ts";
import { VaultFiles } from "./files.ts";
import { OverlayCommit } from "./overlay_commit.ts";
import { OverlayStore } from "./overlay_store.ts";
import { nameOfKey } from "./overlay_tree.ts";
import { checkInteger } from "../runtime.ts";
import type { TransactionOptions } from "./transactions.ts";
import type { Vault } from "./vault.ts";

/** Transactions at once: each takes two to three MiB of kernel memory, or more with large blocks. */
const TRANSACTIONS_MAX = 16;
/** Kernel memory for a transaction's blocks. */
const BLOCK_MEMORY_BYTES = MIB / 2;

/** A filesystem over an overlay: made once, used by one transaction after the other, because kernel memory is not given back. */
interface View {
  readonly store: OverlayStore;
  readonly fileSystem: PosixFileSystem;
  readonly transfer: FileTransfer;
}

/** What the managers of a vault share: kernel memory is not given back, and there may be one for each piece of work. */
interface Shared {
  readonly idle: View[];
  /** How many there are. */
  views: number;
  readonly committing: OverlayCommit;
}

const sharedBy = new WeakMap<Vault, Shared>();

function sharedOf(vault: Vault): Shared {
  const known = sharedBy.get(vault);
  if (known !== undefined) return known;
  const shared = { idle: [], views: 0, committing: new OverlayCommit(vault.opened.volume) };
  sharedBy.set(vault, shared);
  return shared;
}

/** What a transaction asks of those that it lives among. */
interface Owner {
  /** Waits until a step may run, and lets it see everything that was done so far. */
  enter(transaction: Transaction): Promise<void> | null;
  commit(transaction: Transaction): Promise<void>;
  end(transaction: Transaction): void;
}

/**
 * One of several transactions: what it does is seen by nobody else until it commits. As soon as somebody else changes what it has
 * read, it has lost: everything that it is asked to do rejects with `conflict`, and beginning again is the way on.
 */
export class Transaction implements AsyncDisposable {
  /** The files as this transaction sees them. */
  readonly files: VaultFiles;
  /** @internal */
  readonly view: View;
  readonly #owner: Owner;
  #ended: VaultError | null = null;
  #closed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Use {@linkcode TransactionManager.begin}.
   *
   * @internal
   */
  constructor(owner: Owner, view: View, options: TransactionOptions & Pick<Vault, "owner">) {
    this.#owner = owner;
    this.view = view;
    const { fileSystem, transfer, store: { kernel } } = view;
    const enter = () => this.#owner.enter(this);
    this.files = new VaultFiles({ fileSystem, kernel, transfer, enter, owner: options.owner });
    const { timeoutMs } = options;
    if (timeoutMs === undefined) return;
    const what = `Cannot finish the transaction within ${timeoutMs} ms: it was rolled back`;
    this.#timer = setTimeout(() => this.lose(failure("unavailable", what)), timeoutMs);
  }

  /** True until it is committed, rolled back, lost to another one or out of time. */
  get isOpen(): boolean {
    return this.#ended === null;
  }

  /**
   * Makes everything durable as one. Rejects with `conflict`, and nothing of it is there, where somebody else has changed
   * what it read. Where the vault cannot take it, for example because it is full, it is rolled back as well.
   */
  async commit(): Promise<void> {
    this.requireUsable();
    await this.#owner.commit(this);
  }

  /** Gives it up. Idempotent; nothing where it has ended already. */
  rollback(): Promise<void> {
    this.lose(failure("invalid", "Cannot use a transaction that was rolled back"));
    return Promise.resolve();
  }

  /** Rolls back what was not committed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.rollback();
  }

  /** @internal */
  requireOpen(): void {
    if (this.#ended !== null) throw this.#ended;
  }

  /** @internal */
  requireUsable(): void {
    this.requireOpen();
    if (this.#closed) throw failure("invalid", "Cannot use a transaction that is being committed");
  }

  /**
   * Refuses everything but its end.
   *
   * @internal
   */
  close(): void {
    this.#closed = true;
  }

  /**
   * Ends it, with what it answers from now on.
   *
   * @internal
   */
  lose(why: VaultError): void {
    if (this.#ended !== null) return;
    this.#ended = why;
    clearTimeout(this.#timer);
    this.#owner.end(this);
  }
}

/**
 * Many transactions at once over a vault, on the files that `vault.files` shows. Each works on a view of its own and keeps its changes in memory, at most 64 MiB. They
 * are **serializable**: those that commit have the effect of running one after the other, in the order of their commits. Nobody waits
 * for anybody: the first to commit wins, and one that has read what another one, or `vault.files`, changed since is
 * refused with `conflict` from then on, so that none ever acts on a state that never was. Two that make or remove names
 * in one directory have both read and changed it: one of them loses. Access times are not kept. An open file outside
 * answers ESTALE once a transaction has removed it.
 *
 * @example
 * ```ts
 * import { createVault, TransactionManager, VaultError } from "@sigmavault/sigmavault";
 * import assert from "node:assert/strict";
 *
 * await using vault = await createVault({ medium: "memory:", passphrase: "correct horse battery" });
 * await vault.files.writeFile("/count", "1");
 * const transactions = new TransactionManager(vault);
 * await using one = await transactions.begin();
 * await using two = await transactions.begin({ timeoutMs: 60_000 });
 * for (const { files } of [one, two]) {
 *   await files.writeFile("/count", String(Number(await files.readText("/count")) + 1));
 * }
 * await one.commit();
 * await assert.rejects(two.commit(), (error) => error instanceof VaultError && error.kind === "conflict");
 * assert.equal(await vault.files.readText("/count"), "2");
 * ```
 */
export class TransactionManager {
  readonly #vault: Vault;
  readonly #open = new Set<Transaction>();
  readonly #shared: Shared;
  readonly #owner: Owner = {
    enter: (transaction) => this.#enter(transaction),
    commit: (transaction) => this.#commit(transaction),
    end: (transaction) => this.#end(transaction),
  };

  /** Over an open vault. */
  constructor(vault: Vault) {
    this.#vault = vault;
    const { volume } = vault.opened;
    this.#shared = sharedOf(vault);
    volume.tree.watch((key) => this.#changed(key));
  }

  /** Begins a transaction. Rejects with `unavailable` while 16 are open. */
  async begin(options: TransactionOptions = {}): Promise<Transaction> {
    const { timeoutMs } = options;
    if (timeoutMs !== undefined) checkInteger("time-out", timeoutMs, [1, TIMEOUT_MS_MAX]);
    const vault = this.#vault;
    if (vault.readOnly) {
      throw failure("denied", "Cannot begin a transaction: the vault is open read-only");
    }
    const { enter } = vault.transactions;
    for (let wait = enter(); wait !== null; wait = enter()) await wait;
    vault.fileSystem.flush();
    const transaction = new Transaction(this.#owner, this.#view(), {
      ...options,
      owner: vault.owner,
    });
    this.#open.add(transaction);
    return transaction;
  }

  #enter(transaction: Transaction): Promise<void> | null {
    this.#loseHalf(transaction);
    transaction.requireUsable();
    const wait = this.#vault.transactions.enter();
    if (wait !== null) return wait;
    // What the vault's own files have in memory only is part of what a transaction sees, and may make it lose.
    this.#vault.fileSystem.flush();
    transaction.requireOpen();
    return null;
  }

  #loseHalf(transaction: Transaction): void {
    if (!transaction.view.store.isHalfDone) return;
    const what = "Cannot go on with the transaction: a change failed half-way; begin again";
    transaction.lose(failure("unavailable", what));
  }

  async #commit(transaction: Transaction): Promise<void> {
    const { fileSystem, store } = transaction.view;
    const { volume } = this.#vault.opened;
    for (let wait = this.#enter(transaction); wait !== null; wait = this.#enter(transaction)) {
      await wait;
    }
    // What its files are asked for from now on would be in the commit in part.
    transaction.close();
    try {
      transaction.files.releaseAll();
      fileSystem.flush();
      const lost = fileSystem.takeFailure();
      if (lost !== undefined) throw lost;
      this.#loseHalf(transaction);
      transaction.requireOpen();
      // Now a root may make room, which it may not inside the volume's transaction.
      volume.admit(this.#shared.committing.cellsOf(store), "write");
      await this.#vault.transaction(() => {
        transaction.requireOpen();
        // Its own changes do not make it lose, and no time-out does while they become durable.
        transaction.lose(failure("invalid", "Cannot use a transaction that was committed"));
        this.#apply(store);
      });
    } catch (error) {
      transaction.lose(failure("invalid", "Cannot use a transaction whose commit failed"));
      throw error;
    }
  }

  #end(transaction: Transaction): void {
    this.#open.delete(transaction);
    // Later: whoever made it lose is in the middle of a change of the tree.
    queueMicrotask(() => this.#recycle(transaction));
  }

  #recycle({ files, view }: Transaction): void {
    files.releaseAll();
    view.store.clear();
    view.fileSystem.reset();
    view.store.clear();
    this.#shared.idle.push(view);
  }

  #apply(store: OverlayStore): void {
    this.#shared.committing.apply(store);
    this.#vault.fileSystem.reset();
  }

  /** Something of this key is about to change; null: anything. */
  #changed(key: Uint8Array | null): void {
    if (this.#open.size === 0) return;
    const name = key === null ? null : nameOfKey(key);
    for (const transaction of this.#open) {
      if (name !== null && !transaction.view.store.reads.covers(name)) continue;
      const what =
        "Cannot go on with the transaction: somebody else changed what it read; begin again";
      transaction.lose(failure("conflict", what));
    }
  }

  #view(): View {
    const idle = this.#shared.idle.pop();
    if (idle !== undefined) return idle;
    if (this.#shared.views === TRANSACTIONS_MAX) {
      const what = `Cannot begin a transaction: ${TRANSACTIONS_MAX} are open`;
      throw failure("unavailable", what);
    }
    const store = new OverlayStore(this.#vault.opened.volume);
    const options = { isView: true, noatime: true, blockMemoryBytes: BLOCK_MEMORY_BYTES };
    const fileSystem = openFileSystem(store, options);
    const transfer = new FileTransfer(fileSystem, store.kernel);
    store.wipers.push(() => transfer.wipe());
    this.#shared.views++;
    return { store, fileSystem, transfer };
  }
}

function failure(kind: VaultError["kind"], message: string): VaultError {
  return new VaultError(kind, message, { operation: "transaction" });
}
