import { AsyncLocalStorage } from "node:async_hooks";
import { VaultError } from "../errors.ts";
import type { PosixFileSystem } from "../fs/posix_file_system.ts";
import type { Volume } from "../volume/volume.ts";
import type { VaultFiles } from "./files.ts";
import { asPathError } from "./path_failure.ts";

/** Waits until a step may run: null means now. Throws where it never may. */
export type Enter = () => Promise<void> | null;

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

/** A transaction that is going on. */
class OpenTransaction {
  open = true;
  readonly ended: Promise<void>;
  end: () => void = () => {};

  constructor() {
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

  constructor(parts: TransactionParts) {
    this.#parts = parts;
  }

  /** For calls from outside. */
  readonly enter: Enter = () => {
    if (this.#inside.getStore()?.open === true) {
      throw new VaultError(
        "invalid",
        "Cannot use the vault inside its transaction: use the files that the transaction was given",
        { operation: "transaction" },
      );
    }
    return this.#current === null ? null : this.#current.ended;
  };

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
    for (let wait = this.enter(); wait !== null; wait = this.enter()) await wait;
    const transaction = this.#begin();
    const files = this.#parts.makeFiles(() => letIn(transaction));
    const expiry = expiryOf(options.timeoutMs);
    try {
      const working = this.#inside.run(transaction, async () => await work(files));
      const result = await Promise.race([working, expiry.passed]);
      transaction.open = false;
      await this.#keep(files);
      return result;
    } catch (error) {
      transaction.open = false;
      if (this.#parts.volume.inTransaction) this.#rollBack(files);
      throw error;
    } finally {
      expiry.cancel();
      this.#current = null;
      transaction.end();
    }
  }

  #begin(): OpenTransaction {
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
    this.#current = new OpenTransaction();
    return this.#current;
  }

  #flush(): void {
    try {
      this.#parts.fileSystem.flush();
    } catch (error) {
      throw asPathError(error, "write", "/");
    }
  }

  async #keep(files: VaultFiles): Promise<void> {
    const { volume } = this.#parts;
    files.releaseAll();
    this.#flush();
    const lost = this.#parts.fileSystem.takeFailure();
    if (lost !== undefined) throw lost;
    volume.keepTransaction();
    await volume.sync();
  }

  #rollBack(files: VaultFiles): void {
    const { fileSystem, volume } = this.#parts;
    try {
      files.releaseAll();
    } finally {
      volume.rollbackTransaction();
      fileSystem.reset();
    }
  }
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
