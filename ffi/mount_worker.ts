/// <reference lib="deno.worker" />
/**
 * The thread that serves a mount: it opens the vault, answers the kernel's requests, and runs the verbs that
 * come through the control socket. It blocks while nothing happens, so it has its own worker.
 *
 * @module
 */
import { type MakeOrder, makeVault } from "../core/command/make_vault.ts";
import { controlVerbs } from "../core/command/control_verbs.ts";
import { AssertionError } from "../core/assert.ts";
import { stateWarnings } from "../core/command/opening_text.ts";
import type { Secret } from "../core/crypto/key_encryption.ts";
import { type Stretched, takingAhead, wipeAhead } from "../core/crypto/stretched.ts";
import { decodeHiddenPlace } from "../core/format/hidden_place.ts";
import { VaultError } from "../core/errors.ts";
import { wipe } from "../core/bytes.ts";
import { MIB, VIEW_BYTES_MAX } from "../core/limits.ts";
import { systemRuntime } from "../core/runtime.ts";
import { type ControlProgress, runControlVerb, splitMessage } from "../core/vault/control.ts";
import { DamageNews } from "../core/vault/damage_news.ts";
import { KeptStates } from "../core/vault/kept_states.ts";
import { MountedViews } from "../core/vault/mounted_views.ts";
import { MountedLocks } from "../core/vault/mounted_locks.ts";
import { MountTransaction } from "../core/vault/mount_transaction.ts";
import { BackgroundRescatter } from "../core/vault/background_rescatter.ts";
import { isRotating } from "../core/vault/rotation.ts";
import { ScrubSchedule } from "../core/vault/scrub_schedule.ts";
import type { ScrubReport } from "../core/vault/scrub.ts";
import { Upkeep } from "../core/vault/upkeep.ts";
import { openVault, type Vault, type VaultParts } from "../core/vault/vault.ts";
import { createKernel } from "../wasm/kernel.ts";
import type { WasmKernel } from "../wasm/kernel.ts";
import type { WorkerOrder } from "../wasm/worker.ts";
import type { SpawnedWorker } from "../wasm/spawn_worker.ts";
import { type OpenLane, openLane } from "./crypto_lane.ts";
import { serveSession } from "./libfuse3/loop.ts";
import { OpenHandles } from "./libfuse3/open_handles.ts";
import type { ServedSession } from "./libfuse3/served_session.ts";
import { linuxPlatform } from "./linux/platform.ts";
import type { ControlRequest, FromServer, ServeOrder, ToServer } from "./mount_messages.ts";
import { openVaultMedium } from "./open_vault_medium.ts";
import { PostedKernelCache } from "./posted_kernel_cache.ts";
import { toPosted } from "./posted_error.ts";
import type { Meanwhile } from "./serving_thread.ts";
import { Practice } from "./rehearse.ts";

/** Memory of the kernel: requests, dirty and cached blocks, staging, further volumes and snapshots. Untouched pages cost nothing. */
const KERNEL_BYTES = 72 * MIB + 2 * VIEW_BYTES_MAX;
/** Where all volumes are shown, each that is looked at takes 6 MiB or more, for as long as it is mounted. */
const ALL_VOLUMES_BYTES = 512 * MIB;
const PROGRESS_STEPS = 1000;
const ROTATE_AGAIN_MS = 600_000;

const scope = self as unknown as DedicatedWorkerGlobalScope;
const post = (message: FromServer, moved: ArrayBuffer[] = []) => scope.postMessage(message, moved);

interface Server {
  readonly vault: Vault;
  readonly transaction: MountTransaction;
  readonly views: MountedViews;
  readonly kernel: WasmKernel;
  readonly lane: OpenLane;
  readonly scrubEveryMs?: number;
  readonly keep?: string;
  readonly rescatterBytes?: number;
  readonly idlePolling?: boolean;
}

let server: Server | null = null;
/** What the main thread derives while this one starts. */
const ahead = Promise.withResolvers<readonly Stretched[]>();
const practice = new Practice();
/** Begins at once: whoever types a passphrase, or derives a key, needs longer. */
const rehearses = scope.name === ("rehearses" satisfies Meanwhile);
const rehearsed = rehearses ? practice.until(ahead.promise) : Promise.resolve();
rehearsed.catch(() => {}); // opening is told
const handles = new OpenHandles();
const kernelCache = new PostedKernelCache(handles, (order) => post({ type: "forget", order }));

const verbs = controlVerbs();
const damage = new DamageNews();
/** Work that has not ended; the vault is not closed before it has. */
const running = new Set<Promise<void>>();
/** Verbs of the control socket that have not ended. */
const taking = new Set<number>();
const stopping = new AbortController();

/** Has the main thread start a crypto worker. It ends with the ring; nobody has to wait for it. */
function spawn(order: WorkerOrder): SpawnedWorker {
  post({ type: "spawn", order });
  return { started: Promise.resolve(), ended: Promise.resolve(null) };
}

async function open(order: ServeOrder): Promise<Server> {
  const { secret, protect } = order;
  try {
    return await openServer(order);
  } finally {
    void wipeAhead(ahead.promise);
    if (protect !== undefined) wipe(protect);
    if ("passphrase" in secret) wipe(secret.passphrase);
    if ("recoveryCode" in secret) wipe(secret.recoveryCode);
  }
}

async function openServer(order: ServeOrder): Promise<Server> {
  const viewMemoryBytes = order.allVolumes ? ALL_VOLUMES_BYTES : undefined;
  const kernel = createKernel({ memoryBytes: KERNEL_BYTES + (viewMemoryBytes ?? 0) });
  kernel.warmUp();
  const { medium: name, readOnly, noatime, secret, profiles, cacheBytes, scrubEveryMs } = order;
  const medium = await openVaultMedium(name, {
    access: order.make !== undefined ? "create" : readOnly ? "read" : "write",
    overwrite: order.make?.overwrite,
    isNew: order.make?.isNew,
  });
  if (order.make !== undefined) post({ type: "begun" });
  try {
    const lane = openLane(kernel, medium, { ...order, spawn });
    const parts = {
      medium,
      kernel,
      runtime: systemRuntime,
      platform: linuxPlatform(),
      lane: lane.lane,
    };
    const stretch = takingAhead(ahead.promise);
    const protect = order.protect && decodeHiddenPlace(order.protect);
    const { acceptRollback, memory = true } = order;
    const rootMemory = memory ? parts.platform.rootMemory?.() : undefined;
    const remembering = { rootMemory, acceptRollback };
    const opening = { secret, protect, profiles, stretch, readOnly, ...remembering };
    const showing = { volume: order.volume, noatime, viewMemoryBytes };
    const options = { ...opening, ...showing, cacheBytes, onDamage: damage.onDamage };
    const opened = order.make ? make(parts, order.make.order, secret) : openVault(parts, options);
    const [vault] = await Promise.all([opened, rehearsed]);
    return {
      vault,
      transaction: new MountTransaction(
        vault,
        kernelCache,
        order.allVolumes ? "all volumes" : "one volume",
      ),
      views: new MountedViews(vault, { ...order, kernel }),
      kernel,
      lane,
      scrubEveryMs,
      keep: order.keep,
      rescatterBytes: order.rescatterBytes,
      idlePolling: order.idlePolling,
    };
  } catch (error) {
    await medium.close();
    throw error;
  }
}

/** Makes the vault that is to be served. */
async function make(parts: VaultParts, order: MakeOrder, secret: Secret): Promise<Vault> {
  const { vault, report } = await makeVault(parts, order, {
    secret,
    stretched: ahead.promise,
    progress: inSteps((done, total) => post({ type: "filled", done, total })),
    onDamage: damage.onDamage,
  });
  post({ type: "made", report });
  return vault;
}

async function serve(serving: Server, session: ServedSession): Promise<void> {
  const { vault, views, kernel, lane, scrubEveryMs, rescatterBytes, transaction } = serving;
  const upkeep = new Upkeep(vault);
  const kept = serving.transaction.showsOneVolume ? new KeptStates(vault, serving.keep) : null;
  const scrubs = scrubEveryMs === undefined
    ? null
    : new ScrubSchedule(vault, scrubEveryMs, () => tracked(scrubNow(serving)));
  let served = 0;
  const rescatter = rescatterBytes === undefined ? null : new BackgroundRescatter(vault, {
    rateBytes: rescatterBytes,
    used: () => served,
    isTaken: () => taking.size > 0,
  });
  const reported = new Set<string>();
  const failed = (error: unknown) => {
    if (error instanceof AssertionError) return end(error);
    const posted = toPosted(error);
    // A failed medium fails every time: it is said once.
    if (!reported.has(posted.message)) post({ type: "report", error: posted });
    reported.add(posted.message);
  };
  kernelCache.imagesOf = (ino) => views.fileSystem.idsOf(ino);
  views.fileSystem.lockAttributes = new MountedLocks({
    vault,
    views: views.fileSystem,
    transaction,
    tracked,
  });
  goOnRotating(serving, failed);
  finishLocks(serving, failed);
  const workIdly = () => {
    try {
      return lane.help() || practice.idle(served) || upkeep.idle();
    } catch (error) {
      failed(error);
      return false;
    }
  };
  const keepHistory = () => {
    try {
      kept?.tick();
    } catch (error) {
      failed(error);
    }
  };
  await serveSession(session, views.fileSystem, {
    kernel,
    handles,
    writebackCache: false,
    idlePolling: serving.idlePolling,
    idle: workIdly,
    busy: () => running.size > 0,
    round: (empty, answered) => {
      served = answered;
      kernelCache.served(empty);
    },
    tick: () => {
      tellDamage();
      views.tick();
      void upkeep.tick().catch(failed);
      void practice.tick(served).catch(failed);
      keepHistory();
      void scrubs?.tick().catch(failed);
      if (rescatter !== null) void tracked(rescatter.tick()).catch(failed);
    },
    ready: () => post({ type: "ready" }),
    report: (error) => post({ type: "report", error: toPosted(error) }),
  });
}

async function control(
  { vault, transaction }: Server,
  { id, verb, options }: ControlRequest,
): Promise<void> {
  const progress = inSteps((done, total) => post({ type: "progress", id, done, total }));
  try {
    taking.add(id);
    const call = { vault, transaction, options, signal: stopping.signal, progress };
    const value = await runControlVerb(verbs, verb, call);
    const moved = Object.values(splitMessage(value).bytes).map(({ buffer }) => buffer);
    post({ type: "reply", id, value }, moved);
  } catch (error) {
    post({ type: "reply", id, error: toPosted(error) });
    if (error instanceof AssertionError) await end(error);
  } finally {
    taking.delete(id);
  }
}

/** The mount does not end before this has. */
async function tracked(work: Promise<void>): Promise<void> {
  running.add(work);
  await work.finally(() => running.delete(work));
}

/**
 * Goes on with a rotation of keys that was cut short; unmounted before it is done, it goes on with the next mount. What fails is tried
 * again: a mount may last for months.
 */
function goOnRotating(serving: Server, failed: (error: unknown) => void): void {
  const { vault, transaction } = serving;
  if (!isRotating(vault) || vault.readOnly) return;
  const { signal } = stopping;
  const carried = runControlVerb(verbs, "key carry", { vault, transaction, options: {}, signal });
  void tracked(carried.then(() => {})).catch((error) => {
    if (signal.aborted) return;
    failed(error);
    setTimeout(() => signal.aborted || goOnRotating(serving, failed), ROTATE_AGAIN_MS);
  });
}

/**
 * Finishes what was cut short of locking, unlocking and shredding files; unmounted before it is done, the next mount does. In a
 * dense vault, free cells are left to somebody who asks: a hidden vault may lie in them.
 */
function finishLocks({ vault }: Server, failed: (error: unknown) => void): void {
  if (vault.readOnly) return;
  const { signal } = stopping;
  const { dense } = vault.opened.volume.store;
  void tracked(vault.locks.finishAll({ signal }, dense ? "sealing" : "all")).catch((error) => {
    if (!signal.aborted) failed(error);
  });
}

/** The scrub of the schedule: like one that somebody asks for, but told as what else is found. */
async function scrubNow({ vault, transaction }: Server): Promise<void> {
  const { signal } = stopping;
  try {
    const call = { vault, transaction, options: {}, signal };
    const report = await runControlVerb(verbs, "scrub", call) as ScrubReport;
    if (report.ok) return;
    const names = report.files.slice(0, 10).map(({ path }) => `"${path}"`).join(", ");
    const text = `the scrub found ${report.lost} lost blocks: ${names}; run "sigmavault scrub"`;
    warn(text);
  } catch (error) {
    if (!signal.aborted) throw error; // unmounted: the next one goes on
  }
}

function warn(text: string): void {
  post({ type: "report", error: toPosted(new VaultError("corrupt", text)) });
}

/** Says once why less is remembered than should be. */
function warnOfMemory({ opened: { memory } }: Vault): void {
  if (memory === undefined || memory.warning === null) return;
  warn(memory.warning);
  memory.warning = null;
}

/** Says once a second what was repaired: a dying disk gives thousands of findings. */
function tellDamage(): void {
  const text = damage.take();
  if (text !== null) warn(text);
}

/** Tells of the first step and of each further thousandth: every message wakes a thread. */
function inSteps(tell: ControlProgress): ControlProgress {
  let told = -1;
  return (done, total) => {
    const step = Math.floor(PROGRESS_STEPS * done / Math.max(1, total));
    if (step === told) return;
    told = step;
    tell(done, total);
  };
}

/** Closes the vault and says how it ended. */
async function end(failure?: unknown): Promise<void> {
  const ending = server;
  server = null;
  let error = failure === undefined ? undefined : toPosted(failure);
  kernelCache.end();
  stopping.abort(new VaultError("unavailable", "Cannot finish: the vault is being unmounted"));
  await Promise.all(running);
  try {
    ending?.views.close();
    if (failure instanceof AssertionError) await ending?.vault.abandon();
    else await ending?.vault.close();
    if (ending) warnOfMemory(ending.vault);
    tellDamage();
    await ending?.lane.close();
  } catch (closing) {
    error ??= toPosted(closing);
  }
  post({ type: "ended", error });
  scope.close();
}

scope.onmessage = async (event: MessageEvent<ToServer>) => {
  const message = event.data;
  try {
    if (message.type === "open") {
      server = await open(message.order);
      const { vault } = server;
      const { replayed } = vault.opened;
      post({ type: "opened", readOnly: vault.readOnly, replayed });
      for (const text of stateWarnings(message.order.medium, vault.opened)) warn(text);
      warnOfMemory(vault);
    } else if (message.type === "stretched") {
      ahead.resolve(message.stretched);
    } else if (message.type === "serve") {
      if (server !== null) await serve(server, message.session);
      await end();
    } else if (message.type === "control") {
      if (server === null) return;
      await tracked(control(server, message.request));
    } else if (message.type === "forgotten") {
      kernelCache.forgotten(message.id);
    } else {
      await end();
    }
  } catch (error) {
    await end(error);
  }
};
