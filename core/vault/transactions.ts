import { AsyncLocalStorage } from "node:async_hooks";
import { VaultError } from "../errors.ts";
import { TIMEOUT_MS_MAX } from "../limits.ts";
import { checkInteger } from "../runtime.ts";
import type { Outdated, StaleNode } from "../fs/kernel_cache.ts";
import type { PosixFileSystem } from "../fs/posix_file_system.ts";
import type { UndoneVisitor } from "../volume/logged_tree.ts";
import type { Volume } from "../volume/volume.ts";
import type { VaultFiles } from "./files.ts";
import { asPathError } from "./path_failure.ts";
import { UndoneRecords } from "./undone_records.ts";

/** Waits until a step may run: null means now. Throws where it never may. */
export type Enter = () => Promise<void> | null;

/** Runs one step once no transaction is open. */
export async function whenFree<T>(enter: Enter, work: () => T): Promise<T> {
  for (let wait = enter(); wait !== null; wait = enter()) await wait;
  try {
    return work();
  } catch (error) {
    throw asPathError(error, "change", "/");
  }
}

/** How to run a transaction. */
export interface TransactionOptions {
  /** Roll back when the work takes longer than this many milliseconds; no limit unless given. */
  readonly timeoutMs?: number;
}

/** What transactions work on. */
export interface TransactionParts {
  readonly fileSystem: PosixFileSystem;
  readonly volume: Volume;
  /** The files as the transaction sees them, let in by `enter`. */
  readonly makeFiles: (enter: Enter) => VaultFiles;
}

/** A transaction that is going on over everything that is done with the filesystem, whoever does it. */
export interface HeldTransaction {
  /** Makes it durable, as one. Where that fails and it is still open: roll it back. */
  keep(): Promise<void>;
  /** Undoes it; says what others may now remember wrongly. */
  rollBack(): Outdated;
  /** False once it has ended. */
  readonly open: boolean;
}

/** A transaction that is going on. */
class OpenTransaction {
  open = true;
  /** Drivers work in it too, so nobody can wait for it: who wants to is refused. */
  readonly held: boolean;
  readonly ended: Promise<void>;
  end: () => void = () => {};

  constructor(held: boolean) {
    this.held = held;
    this.ended = new Promise((resolve) => {
      this.end = () => {
        this.open = false;
        resolve();
      };
    });
  }
}

/**
 * One transaction at a time over a volume. Others, and all calls from outside, wait for its end; calls from inside that
 * do not go through the transaction are refused, because they would wait for ever.
 */
export class Transactions {
  readonly #parts: TransactionParts;
  /** Which transaction the running code is part of. */
  readonly #inside = new AsyncLocalStorage<OpenTransaction>();
  #current: OpenTransaction | null = null;
  #isClosed = false;

  constructor(parts: TransactionParts) {
    this.#parts = parts;
  }

  /** For calls from outside. */
  readonly enter: Enter = () => {
    this.requireOpen();
    return this.enterToClose();
  };

  /** Throws `invalid` where the vault is closed. */
  requireOpen(): void {
    if (!this.#isClosed) return;
    throw new VaultError("invalid", "Cannot use a vault that is closed: open it again");
  }

  /** Runs work that takes long. What it finds, or fails with, once the vault is closed under it says nothing of the vault. */
  async whileOpen<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      this.requireOpen();
    }
  }

  /** For what ends with the vault, too. */
  readonly enterToClose: Enter = () => {
    if (this.#inside.getStore()?.open === true) {
      throw new VaultError(
        "invalid",
        "Cannot use the vault inside its transaction: use the files that the transaction was given",
        { operation: "transaction" },
      );
    }
    if (this.#current?.held === true && this.#current.open) throw heldError();
    return this.#current === null ? null : this.#current.ended;
  };

  /** Nobody is let in any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** Begins a transaction over all that anybody does until it is kept or rolled back. Refused while another one is open. */
  async hold(): Promise<HeldTransaction> {
    if (this.#current !== null) throw heldError();
    const { volume } = this.#parts;
    // A crash inside leaves the state before, and not an older one. A root, so that all memory is the transaction's.
    this.#flush();
    await volume.commit();
    if (this.#current !== null) throw heldError();
    // What came meanwhile was before, too: nothing inside makes it durable.
    this.#flush();
    if (volume.pendingBytes() > 0) volume.commitNow();
    const transaction = this.#begin(true);
    return {
      keep: () => this.#keepHeld(transaction),
      rollBack: () => this.#undoHeld(transaction),
      get open() {
        return transaction.open;
      },
    };
  }

  #undoHeld(transaction: OpenTransaction): Outdated {
    try {
      return this.#undo();
    } finally {
      this.#ended(transaction);
    }
  }

  async #keepHeld(transaction: OpenTransaction): Promise<void> {
    try {
      this.#keep();
    } catch (error) {
      if (!this.#parts.volume.inTransaction) this.#ended(transaction);
      throw error;
    }
    transaction.open = false;
    try {
      await this.#parts.volume.sync();
    } finally {
      this.#ended(transaction);
    }
  }

  /** Rolls back what is held: the vault is being closed. Where that fails, the medium has the state before. */
  async giveUpHeld(abandon: () => Promise<void>): Promise<void> {
    const transaction = this.#current;
    if (transaction?.held !== true || !transaction.open) return;
    try {
      this.#undoHeld(transaction);
    } catch (error) {
      await abandon();
      throw error;
    }
  }

  #ended(transaction: OpenTransaction): void {
    this.#current = null;
    transaction.end();
  }

  /** Runs `work`. What it did through its argument is kept durably when it resolves, and undone when it rejects. */
  async run<T>(
    work: (files: VaultFiles) => T | Promise<T>,
    options: TransactionOptions,
  ): Promise<T> {
    if (this.#inside.getStore()?.open === true) {
      throw new VaultError("invalid", "Cannot begin a transaction inside another one", {
        operation: "transaction",
      });
    }
    const { timeoutMs } = options;
    if (timeoutMs !== undefined) checkInteger("time-out", timeoutMs, [1, TIMEOUT_MS_MAX]);
    for (let wait = this.enter(); wait !== null; wait = this.enter()) await wait;
    const transaction = this.#begin(false);
    const files = this.#parts.makeFiles(() => letIn(transaction));
    const expiry = expiryOf(timeoutMs);
    try {
      const working = this.#inside.run(transaction, async () => await work(files));
      const result = await Promise.race([working, expiry.passed]);
      transaction.open = false;
      files.releaseAll();
      this.#keep();
      await this.#parts.volume.sync();
      return result;
    } catch (error) {
      transaction.open = false;
      this.requireOpen(); // what was abandoned is in memory no more
      if (this.#parts.volume.inTransaction) this.#rollBack(files);
      throw error;
    } finally {
      expiry.cancel();
      this.#ended(transaction);
    }
  }

  #begin(held: boolean): OpenTransaction {
    const { volume } = this.#parts;
    if (volume.readOnly) {
      throw new VaultError("denied", "Cannot begin a transaction: the vault is open read-only", {
        operation: "transaction",
        errno: "EROFS",
      });
    }
    this.#flush();
    // What was lost before belongs to those who wrote it.
    this.#parts.fileSystem.takeFailure();
    volume.beginTransaction();
    this.#current = new OpenTransaction(held);
    return this.#current;
  }

  #flush(): void {
    try {
      this.#parts.fileSystem.flush();
    } catch (error) {
      throw asPathError(error, "write", "/");
    }
  }

  #keep(): void {
    const { volume } = this.#parts;
    this.#flush();
    const lost = this.#parts.fileSystem.takeFailure();
    if (lost !== undefined) throw lost;
    volume.keepTransaction();
  }

  #rollBack(files: VaultFiles): void {
    try {
      files.releaseAll();
    } finally {
      this.#undo();
    }
  }

  #undo(): Outdated {
    const { volume } = this.#parts;
    return this.#reporting((differs) => volume.rollbackTransaction(differs)).outdated;
  }

  /**
   * Has `work` put another state in place of this one; it tells what differs before the filesystem is reset. Says what others may now
   * remember wrongly.
   */
  replace<T>(work: (differs: UndoneVisitor) => T): { result: T; outdated: Outdated } {
    if (this.#current !== null) throw heldError();
    this.#flush();
    return this.#reporting(work);
  }

  #reporting<T>(work: (differs: UndoneVisitor) => T): { result: T; outdated: Outdated } {
    const { fileSystem } = this.#parts;
    const undone = new UndoneRecords();
    const { changed, names } = undone;
    const stale: StaleNode[] = [];
    fileSystem.reportReset({ changed, stale });
    try {
      const result = work((key, before, after) => undone.add(key, before, after));
      return { result, outdated: { inodes: undone.accessed.union(changed), names, stale } };
    } finally {
      fileSystem.reportReset({ changed: new Set(), stale: [] });
    }
  }
}

function heldError(): VaultError {
  return new VaultError(
    "conflict",
    "Cannot go on while a transaction is open: commit it or roll it back first",
    { operation: "transaction" },
  );
}

function letIn(transaction: OpenTransaction): null {
  if (transaction.open) return null;
  throw new VaultError("invalid", "Cannot use a transaction that has ended", {
    operation: "transaction",
  });
}

function expiryOf(timeoutMs: number | undefined): { passed: Promise<never>; cancel: () => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  if (timeoutMs === undefined) return { passed: promise, cancel: () => {} };
  const timer = setTimeout(() => {
    reject(
      new VaultError(
        "unavailable",
        `Cannot finish the transaction within ${timeoutMs} ms: it was rolled back`,
        { operation: "transaction" },
      ),
    );
  }, timeoutMs);
  return { passed: promise, cancel: () => clearTimeout(timer) };
}
