import { VaultError } from "../errors.ts";
import type { KernelCache, Outdated } from "../fs/kernel_cache.ts";
import { checkInteger } from "../runtime.ts";
import { TIMEOUT_MS_MAX } from "../limits.ts";
import type { UndoneVisitor } from "../volume/logged_tree.ts";
import type { HeldTransaction } from "./transactions.ts";
import type { Vault } from "./vault.ts";

/** A transaction of a mount, as `info` shows it. */
export interface MountTransactionState {
  /** Numbers the transactions of a mount. */
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** After so many milliseconds it is rolled back; null: never. */
  readonly timeoutMs: number | null;
}

/** One that is open. */
interface Current extends MountTransactionState {
  readonly held: HeldTransaction;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
}

/**
 * The transaction of a mount: whatever any program does between `begin` and `commit` becomes durable as one, or `rollback` and a
 * crash take it back as one. Each of the three first takes in what only the kernel has.
 */
export class MountTransaction {
  readonly #vault: Vault;
  readonly #kernel: KernelCache;
  readonly #shows: "one volume" | "all volumes";
  #current: Current | null = null;
  #count = 0;
  /** Why there is none, for whoever wants to end one. */
  #why = "none is open; begin one first";
  /** One verb after the other: each waits for the kernel in the middle. */
  #last: Promise<unknown> = Promise.resolve();

  /** Of a mount that shows the vault's volume, or all of them: then it has no transactions, and no state is put in place. */
  constructor(
    vault: Vault,
    kernel: KernelCache,
    shows: "one volume" | "all volumes" = "one volume",
  ) {
    this.#vault = vault;
    this.#kernel = kernel;
    this.#shows = shows;
  }

  /** False where the mount shows all volumes. */
  get showsOneVolume(): boolean {
    return this.#shows === "one volume";
  }

  /** Refuses what is about the one volume that a mount shows. `what` completes "Cannot …". */
  requireOneVolume(what: string): void {
    if (this.showsOneVolume) return;
    throw new VaultError(
      "conflict",
      `Cannot ${what}: this mount shows all volumes; mount the one that is meant`,
      { errno: "EOPNOTSUPP" },
    );
  }

  /** The one that is open. */
  get state(): MountTransactionState | null {
    return this.#current && stateOf(this.#current);
  }

  /** Runs what cannot run inside a transaction; none begins meanwhile. `what` completes "Cannot …" where one is open. */
  without<T>(what: string, work: () => T | Promise<T>): Promise<T> {
    return this.#alone(async () => {
      this.#requireNone(what);
      return await work();
    });
  }

  /**
   * The same behind the barrier: what programs wrote before the call, through memory maps too, is in the state that `work` finds.
   * For what keeps a state, such as a snapshot.
   */
  settled<T>(what: string, work: () => T | Promise<T>): Promise<T> {
    return this.without(what, async () => {
      await this.#kernel.takeIn();
      return await work();
    });
  }

  /**
   * The same for `work` that puts another state in place of the present one and then has the filesystem reset, such as the rollback
   * to a snapshot. Before that it tells of each record that is not the same in both. What they belong to is forgotten by the
   * kernel when this resolves, and what was open of it answers ESTALE.
   */
  replaced<T>(what: string, work: (differs: UndoneVisitor) => T): Promise<T> {
    return this.without(what, async () => {
      this.requireOneVolume(what);
      await this.#kernel.takeIn();
      const { result, outdated } = this.#vault.transactions.replace(work);
      await this.#kernel.drop(outdated);
      return result;
    });
  }

  /**
   * The same for `work` that makes the content of a file readable or not, in snapshots too. When this resolves or rejects, the kernel
   * has forgotten what it had of it.
   */
  changingContent<T>(what: string, ino: number, work: () => Promise<T>): Promise<T> {
    return this.settled(what, async () => {
      this.requireOneVolume(what);
      try {
        return await work();
      } finally {
        await this.#kernel.dropContent(ino);
      }
    });
  }

  /** Begins one; `conflict` where one is open. */
  begin(timeoutMs: number | null): Promise<MountTransactionState> {
    if (timeoutMs !== null) checkInteger("time-out", timeoutMs, [1, TIMEOUT_MS_MAX]);
    return this.#alone(async () => {
      this.requireOneVolume("begin a transaction");
      this.#requireNone("begin a transaction");
      await this.#kernel.takeIn();
      const held = await this.#vault.transactions.hold();
      const id = ++this.#count;
      const since = this.#vault.opened.volume.runtime.now();
      const timer = timeoutMs === null ? undefined : setTimeout(() => this.#expire(id), timeoutMs);
      this.#current = { id, since, timeoutMs, held, timer };
      return { id, since, timeoutMs };
    });
  }

  /** Makes it durable as one. Where that fails it is rolled back. `id`: only this one. */
  commit(id: number | null): Promise<MountTransactionState> {
    return this.#alone(async () => {
      const current = this.#require("commit", id);
      const { held } = current;
      await this.#kernel.takeIn();
      try {
        await held.keep();
      } catch (error) {
        if (held.open) await this.#undo("it could not be committed");
        else this.#over("it could not be made durable");
        throw error;
      }
      this.#over("the last one was committed");
      return stateOf(current);
    });
  }

  /** Takes back everything since its beginning. `id`: only this one. */
  rollback(id: number | null): Promise<MountTransactionState> {
    return this.#alone(async () => {
      const current = this.#require("roll back", id);
      await this.#undo("the last one was rolled back");
      return stateOf(current);
    });
  }

  #expire(id: number): void {
    const expired = this.#alone(async () => {
      // The vault may have been closed meanwhile, which rolls back too.
      if (this.#current?.id !== id || !this.#current.held.open) return;
      await this.#undo(`the last one took longer than ${this.#current.timeoutMs} ms: rolled back`);
    });
    // What the medium refused is told to whoever writes next: the volume takes no more changes.
    expired.catch(() => {});
  }

  async #undo(why: string): Promise<void> {
    const { held } = this.#current!;
    await this.#kernel.takeIn();
    let outdated: Outdated;
    try {
      outdated = held.rollBack();
    } finally {
      this.#over(why);
    }
    await this.#kernel.drop(outdated);
  }

  #over(why: string): void {
    clearTimeout(this.#current?.timer);
    this.#current = null;
    this.#why = why;
  }

  #requireNone(what: string): void {
    if (this.#current === null) return;
    throw new VaultError(
      "conflict",
      `Cannot ${what}: a transaction is open; commit it or roll it back first`,
      { operation: "transaction" },
    );
  }

  #require(verb: string, id: number | null): Current {
    if (this.#current !== null && (id ?? this.#current.id) === this.#current.id) {
      return this.#current;
    }
    const why = this.#current === null ? this.#why : "another one is open by now";
    throw new VaultError("missing", `Cannot ${verb} the transaction: ${why}`, {
      operation: "transaction",
    });
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work);
    this.#last = next.catch(() => {});
    return next;
  }
}

function stateOf({ id, since, timeoutMs }: MountTransactionState): MountTransactionState {
  return { id, since, timeoutMs };
}
