/**
 * Mounting a vault, as seen from the main thread: a worker opens and serves it, this thread keeps the session and
 * passes control requests on.
 *
 * @module
 */
import { assert } from "../core/assert.ts";
import type { Making } from "../core/command/host.ts";
import type { Secret } from "../core/crypto/key_encryption.ts";
import type { Stretched } from "../core/crypto/stretched.ts";
import { VaultError } from "../core/errors.ts";
import { type ControlProgress, splitMessage } from "../core/vault/control.ts";
import { spawnWorker } from "../wasm/spawn_worker.ts";
import { mountSession, type Session } from "./libfuse3/session.ts";
import type {
  ControlRequest,
  ForgetOrder,
  FromServer,
  ServeOrder,
  ToServer,
} from "./mount_messages.ts";
import { fromPosted } from "./posted_error.ts";
import { type ServingThread, servingThread } from "./serving_thread.ts";

/** The kernel's readahead for a mount, in KiB, where this process may set it. */
const READ_AHEAD_KIB = 4096;

/** What to mount and how. */
export interface MountVaultOptions extends ServeOrder {
  readonly mountpoint: string;
  readonly allowOther: boolean;
  /** More options as mount(8) takes them. */
  readonly extra: readonly string[];
  /** The key derivation, where it was begun already: the serving thread starts meanwhile. Wiped here. */
  readonly stretched?: Promise<readonly Stretched[]>;
  /** Who is told how `make` goes. */
  readonly making?: Pick<Making, "begun" | "progress" | "made">;
  /** Cuts the connection of a mount that is on its way. */
  readonly hurry?: AbortSignal;
  /** The module of crypto workers, for tests of what happens when one fails. */
  readonly cryptoWorker?: URL;
  /** Have the kernel forget names one by one, as Linux before 6.16 needs it: for tests. */
  readonly namesOneByOne?: boolean;
  /** Told of failures that a program got as EIO. */
  report(error: Error): void;
}

/** A running mount. */
export interface MountedVault {
  readonly mountpoint: string;
  readonly readOnly: boolean;
  /** Transactions taken over from the intent log. */
  readonly replayed: number;
  /** Resolves when the mount is over, rejects when it ended badly. */
  readonly ended: Promise<void>;
  /** Runs a verb on the open vault. */
  control(
    verb: string,
    options: ControlRequest["options"],
    progress?: ControlProgress,
  ): Promise<unknown>;
  /** Writes everything and unmounts; `"busy"`: served until the last user leaves. */
  unmount(): Promise<"unmounted" | "busy">;
  /** Cuts the connection; what was not synced is lost. */
  abort(): void;
}

/** Opens a vault in a worker, mounts it and resolves when the mount point is usable. */
export async function mountVault(options: MountVaultOptions): Promise<MountedVault> {
  const mount = new WorkerMount(servingThread(), options);
  await mount.start();
  return mount;
}

interface WaitingVerb extends PromiseWithResolvers<unknown> {
  readonly progress: ControlProgress;
}

class WorkerMount implements MountedVault {
  readonly mountpoint: string;
  readOnly = false;
  replayed = 0;
  readonly ended: Promise<void>;
  private readonly worker: Worker;
  private readonly options: MountVaultOptions;
  private session: Session | null = null;
  private requests = 0;
  private readonly waiting = new Map<number, WaitingVerb>();
  private readonly opened = Promise.withResolvers<void>();
  private readonly ready = Promise.withResolvers<void>();
  private readonly over = Promise.withResolvers<void>();

  constructor({ worker, failed }: ServingThread, options: MountVaultOptions) {
    this.worker = worker;
    this.options = options;
    this.mountpoint = options.mountpoint;
    this.ended = this.over.promise;
    worker.onmessage = (event: MessageEvent<FromServer>) => this.receive(event.data);
    void failed.then((why) => this.finish(new Error(`the serving thread failed: ${why}`)));
    for (const { promise } of [this.opened, this.ready, this.over]) promise.catch(() => {});
  }

  async start(): Promise<void> {
    const { medium, secret, profiles, readOnly, noatime } = this.options;
    const { cryptoLane, workers, cacheBytes, listSnapshots, allVolumes } = this.options;
    const { scrubEveryMs, rescatterBytes } = this.options;
    const vault = { medium, secret: copyOf(secret), profiles, readOnly, noatime };
    const protect = this.options.protect && new Uint8Array(this.options.protect);
    const upkeep = { scrubEveryMs, rescatterBytes };
    const serving = { cryptoLane, workers, cacheBytes, listSnapshots, allVolumes, ...upkeep };
    const { acceptRollback, memory, volume, keep, idlePolling, make } = this.options;
    const showing = { volume, keep, protect, idlePolling };
    const order = { ...vault, ...showing, ...serving, acceptRollback, memory, make };
    // Moved, not cloned: a clone would leave a second copy behind, in memory that nobody wipes.
    this.worker.postMessage(
      { type: "open", order } satisfies ToServer,
      buffersOf(order.secret, { protect }),
    );
    void this.handOnStretched();
    await this.opened.promise;
    const { allowOther, extra } = this.options;
    try {
      this.session = mountSession(this.mountpoint, {
        source: medium,
        allowOther,
        readOnly: this.readOnly,
        extra,
      });
    } catch (error) {
      this.post({ type: "close" });
      await this.ended.catch(() => {});
      throw error;
    }
    const { hurry } = this.options;
    if (hurry?.aborted === true) this.abort();
    else hurry?.addEventListener("abort", () => this.abort(), { once: true });
    const { descriptor, wakeDescriptor } = this.session;
    // Nobody is asleep yet who would have to be woken.
    const serve: ToServer = { type: "serve", session: { descriptor, wakeDescriptor } };
    this.worker.postMessage(serve);
    await this.ready.promise;
    await this.session.raiseReadAhead(READ_AHEAD_KIB);
  }

  private async handOnStretched(): Promise<void> {
    const stretched = await this.options.stretched ?? [];
    const moved = stretched.map(({ bytes }) => bytes.buffer);
    this.worker.postMessage({ type: "stretched", stretched } satisfies ToServer, moved);
  }

  private post(message: ToServer, moved: ArrayBuffer[] = []): void {
    this.worker.postMessage(message, moved);
    this.session?.wake();
  }

  private receive(message: FromServer): void {
    switch (message.type) {
      case "spawn":
        // Where it cannot start, or breaks off, the serving thread does its work.
        return void spawnWorker(message.order, this.options.cryptoWorker).ended.then((failure) => {
          if (failure !== null) this.options.report(failure);
        });
      case "begun":
        return this.options.making?.begun();
      case "filled":
        return this.options.making?.progress(message.done, message.total);
      case "made":
        return this.options.making?.made(message.report);
      case "opened":
        this.readOnly = message.readOnly;
        this.replayed = message.replayed;
        return this.opened.resolve();
      case "ready":
        return this.ready.resolve();
      case "report":
        return this.options.report(fromPosted(message.error));
      case "progress":
        return this.waiting.get(message.id)?.progress(message.done, message.total);
      case "forget":
        return void this.forget(message.order);
      case "reply":
        return this.reply(message);
      case "ended":
        return this.finish(message.error && fromPosted(message.error));
    }
  }

  private async forget({ id, inodes, names }: ForgetOrder): Promise<void> {
    const notices = this.session?.notices;
    if (notices !== undefined) {
      const oneByOne = this.options.namesOneByOne === true;
      const isDone = names.length === 0 || (!oneByOne && notices.forgetAllNames());
      for (const place of isDone ? [] : names) await notices.forgetName(place);
      for (const ino of inodes) await notices.forgetInode(ino);
    }
    this.post({ type: "forgotten", id });
  }

  private reply(message: FromServer & { type: "reply" }): void {
    const waiting = this.waiting.get(message.id);
    assert(waiting !== undefined, "a reply has its request");
    this.waiting.delete(message.id);
    if (message.error) waiting.reject(fromPosted(message.error));
    else waiting.resolve(message.value);
  }

  private finish(error?: Error): void {
    const gone = error ?? new VaultError("unavailable", "Cannot go on: the mount has ended");
    this.opened.reject(gone);
    this.ready.reject(gone);
    for (const waiting of this.waiting.values()) waiting.reject(gone);
    this.waiting.clear();
    this.closeSession(error).then(
      () => error === undefined ? this.over.resolve() : this.over.reject(error),
      (failure) => this.over.reject(error ?? failure),
    );
  }

  /** Gives the mount back: whoever unmounted, the calls that did so have to return first. */
  private async closeSession(error?: Error): Promise<void> {
    const { session } = this;
    if (session === null) return;
    if (error !== undefined) session.abort();
    else await session.unmount();
    this.session = null;
    await session.close();
  }

  control(
    verb: string,
    options: ControlRequest["options"],
    progress: ControlProgress = () => {},
  ): Promise<unknown> {
    const id = ++this.requests;
    const waiting = { ...Promise.withResolvers<unknown>(), progress };
    this.waiting.set(id, waiting);
    const moved = Object.values(splitMessage(options).bytes).map(({ buffer }) => buffer);
    this.post({ type: "control", request: { id, verb, options } }, moved);
    return waiting.promise;
  }

  async unmount(): Promise<"unmounted" | "busy"> {
    return await this.session?.unmount() ?? "unmounted";
  }

  abort(): void {
    this.session?.abort();
  }
}

function copyOf(secret: Secret): Secret {
  if ("passphrase" in secret) return { passphrase: new Uint8Array(secret.passphrase) };
  if ("recoveryCode" in secret) return { recoveryCode: new Uint8Array(secret.recoveryCode) };
  return secret;
}

function buffersOf(...secrets: object[]): ArrayBuffer[] {
  return secrets.flatMap((secret) => Object.values(secret)).flatMap((bytes) =>
    bytes instanceof Uint8Array && bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : []
  );
}
