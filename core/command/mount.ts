import { VaultError } from "../errors.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import { whyLong } from "./opening_text.ts";
import { profilesOf } from "./secrets.ts";
import { plural } from "./sizes.ts";
import { Interrupted } from "./terminal/prompt.ts";
import { showWaiting } from "./terminal/waiting.ts";
import { statOrNull } from "./copy_tree.ts";
import type { ControlAsked, Host, MountOrder, ServedMount } from "./host.ts";
import type { TransactionRow } from "./transaction_verbs.ts";

/** What a mount reports when it is ready. */
export interface MountReport {
  readonly medium: string;
  readonly mountpoint: string;
  readonly readOnly: boolean;
  /** Transactions that opening took over from the intent log. */
  readonly replayed: number;
}

/** What the serving process tells the one that started it. */
export interface ServeEvents {
  ready(report: MountReport): Promise<void>;
  /** A program got EIO, or the mount cannot end yet. */
  warn(message: string): void;
}

/** Options of mount(8) that this program takes itself; the others go to the system. */
export interface ParsedMountOptions {
  readonly readOnly: boolean;
  readonly allowOther: boolean;
  readonly noatime: boolean;
  readonly idlePolling: boolean;
  readonly listSnapshots: boolean;
  readonly allVolumes: boolean;
  readonly passphraseFile?: string;
  readonly recoveryCodeFile?: string;
  readonly device: boolean;
  readonly cryptoLane?: string;
  readonly scrub?: string;
  readonly rescatter?: string;
  readonly extra: readonly string[];
}

/** What mount(8) and fstab carry for others: nothing to do. */
const IGNORED = /^(rw|auto|noauto|user|users|owner|group|nofail|defaults|_netdev|comment=.*|x-.*)$/;

/** Reads `-o ro,noatime,passphrase_file=F,…`; names may be written with `-` too. */
export function parseMountOptions(lists: readonly string[]): ParsedMountOptions {
  const all = lists.flatMap((list) => list.split(",")).filter((option) => option !== "");
  const has = (name: string) => all.includes(name);
  const value = (name: string) =>
    all.findLast((option) => option.replaceAll("-", "_").startsWith(`${name}=`))
      ?.slice(name.length + 1);
  const own =
    /^(ro|noatime|no[-_]idle[-_]polling|allow_other|list[-_]snapshots|all[-_]volumes|device|(passphrase[-_]file|recovery[-_]code[-_]file|crypto[-_]lane|scrub|rescatter)=.*)$/;
  const extra = all.filter((option) => !own.test(option) && !IGNORED.test(option));
  return {
    readOnly: has("ro"),
    allowOther: has("allow_other"),
    noatime: has("noatime"),
    idlePolling: !has("no_idle_polling") && !has("no-idle-polling"),
    listSnapshots: has("list_snapshots") || has("list-snapshots"),
    allVolumes: has("all_volumes") || has("all-volumes"),
    passphraseFile: value("passphrase_file"),
    recoveryCodeFile: value("recovery_code_file"),
    device: has("device"),
    cryptoLane: value("crypto_lane"),
    scrub: value("scrub"),
    rescatter: value("rescatter"),
    extra: has("noatime") ? [...extra, "noatime"] : extra,
  };
}

/** Refuses a mount point that a living mount holds already, and cleans up a dead one. */
export async function prepareMount(host: Host, mountpoint: string): Promise<void> {
  const running = await host.runningMount(mountpoint);
  if (running !== null) {
    running.close();
    throw new VaultError(
      "conflict",
      `Cannot mount on "${mountpoint}": a vault is mounted there; run "sigmavault umount" first`,
    );
  }
  await host.cleanStale(mountpoint);
  const stat = await statOrNull(host.local, await host.canonical(mountpoint));
  if (stat === null) {
    throw new VaultError(
      "missing",
      `Cannot mount on "${mountpoint}": no such directory; make it first`,
    );
  }
  if (stat.kind === "directory") return;
  throw new VaultError("invalid", `Cannot mount on "${mountpoint}": it is no directory`);
}

/** Mounts and serves until somebody unmounts; the secret is wiped as soon as the vault is open. */
export async function serveMount(
  host: Host,
  order: MountOrder,
  events: ServeEvents,
): Promise<void> {
  // From the first moment on: what is killed while it mounts leaves a mount point that is dead.
  let early = 0;
  let quit: (() => void) | null = null;
  const hurry = new AbortController();
  const hurried = Promise.withResolvers<never>();
  hurried.promise.catch(() => {}); // whoever waits for the mount is told
  const stopListening = host.onSignal(() => {
    if (quit !== null) return quit();
    if (++early === 1) return;
    hurry.abort();
    // Whoever makes a vault has to know what became of it.
    if (order.making === undefined) hurried.reject(new Interrupted("interrupted"));
  });
  try {
    const mounting = mounted(host, order, { events, hurry: hurry.signal });
    const mount = await Promise.race([mounting, hurried.promise]);
    quit = unmounter(mount, events);
    if (early === 0) return await serve(host, mount, order, events);
    quit();
    await mount.ended;
    throw new Interrupted("interrupted");
  } finally {
    stopListening();
  }
}

async function mounted(
  host: Host,
  order: MountOrder,
  { events, hurry }: { events: ServeEvents; hurry: AbortSignal },
): Promise<ServedMount> {
  const mounting = () => host.mount(order, (error) => events.warn(error.message), hurry);
  try {
    // Whoever makes a vault shows how far that is.
    return order.making !== undefined
      ? await mounting()
      : await showWaiting(host.err, () => whyLong(profilesOf(order)), mounting);
  } finally {
    wipe(order.secret);
    order.protect?.fill(0);
  }
}

async function serve(
  host: Host,
  mount: ServedMount,
  order: MountOrder,
  events: ServeEvents,
): Promise<void> {
  const control = await host.serveControl(
    mount.mountpoint,
    (asked) => answer(mount, asked),
  ).catch((error) => {
    events.warn(`no control socket: ${error instanceof Error ? error.message : error}`);
    return null;
  });
  try {
    const { mountpoint, readOnly, replayed } = mount;
    await events.ready({ medium: order.medium, mountpoint, readOnly, replayed });
    await mount.ended;
  } finally {
    await control?.close();
  }
}

/** The first signal unmounts, the second cuts the connection. */
function unmounter(mount: ServedMount, events: ServeEvents): () => void {
  let asked = 0;
  return () => {
    if (++asked > 1) return mount.abort();
    mount.unmount().then((state) => {
      if (state === "busy") {
        events.warn(
          "still in use: served until the last user leaves; a second signal ends it at once",
        );
      }
    }, (error) => events.warn(error instanceof Error ? error.message : String(error)));
  };
}

async function answer(mount: ServedMount, asked: ControlAsked): Promise<unknown> {
  const { verb, options, progress, gone } = asked;
  if (verb === "umount") {
    if (options.force === true) {
      // Whoever asked before may have been told that somebody still uses it: nobody does now.
      mount.abort();
      await mount.ended;
      return { state: "unmounted" };
    }
    await mount.control("leave", { how: options.transaction ?? null });
    const state = await mount.unmount();
    if (state === "unmounted") await mount.ended;
    return { state };
  }
  const value = await mount.control(verb, options, progress);
  if (verb === "begin" && options.bound === true) bind(mount, value as TransactionRow, gone);
  if (verb === "send open" || verb === "receive open") {
    whenGone(gone, () => mount.control("stream close", { id: (value as { id: number }).id }));
  }
  const isInfo = verb === "info" && typeof value === "object";
  return isInfo ? { ...value, mountpoint: mount.mountpoint } : value;
}

/** A transaction ends with the process that began it, unless that one has ended it already. */
function bind(mount: ServedMount, { id }: TransactionRow, gone: AbortSignal): void {
  whenGone(gone, () => mount.control("rollback", { id }));
}

/** Runs a verb when the process that asked has ended; it may have ended what the verb ends. */
function whenGone(gone: AbortSignal, run: () => Promise<unknown>): void {
  const now = () => void run().catch(() => {});
  if (gone.aborted) now();
  else gone.addEventListener("abort", now);
}

function wipe(secret: Secret): void {
  if ("passphrase" in secret) secret.passphrase.fill(0);
  if ("recoveryCode" in secret) secret.recoveryCode.fill(0);
}

/** For people. */
export function mountText({ medium, mountpoint, readOnly, replayed }: MountReport): string {
  const access = readOnly ? " (read-only)" : "";
  const recovered = replayed > 0
    ? `; it was not closed: ${plural(replayed, "transaction")} recovered from the log`
    : "";
  return `mounted ${medium} on ${mountpoint}${access}${recovered}\n`;
}
