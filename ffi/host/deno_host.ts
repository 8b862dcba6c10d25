import { resolve } from "node:path";
import type { FileTree } from "../../core/command/file_tree.ts";
import type {
  Host,
  MountOrder,
  OpenedParts,
  OpenParts,
  RunningMount,
  ServedMount,
} from "../../core/command/host.ts";
import { KDF_ORDER } from "../../core/crypto/argon2.ts";
import { VaultError } from "../../core/errors.ts";
import { pathOfUrl } from "../../core/storage/medium_url.ts";
import { MIB, VIEW_BYTES_MAX } from "../../core/limits.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { stretchAhead } from "./stretch_ahead.ts";
import { libcFiles } from "./libc_files.ts";
import { LOCAL_FILES, readSmall, writePrivate } from "./local_files.ts";
import { doing } from "./system_error.ts";
import type { ObjectStorage } from "../../core/objects/object_storage.ts";
import type { StorageHooks } from "../../core/objects/open_storage.ts";
import { PIPES } from "./pipes.ts";
import { onSignal, passOn, SIGNALS } from "./signals.ts";
import { KEYBOARD, outputOf } from "./terminal.ts";

/** Memory of the kernel for verbs on an unmounted vault; untouched pages cost nothing. */
const KERNEL_BYTES = 72 * MIB + VIEW_BYTES_MAX;
/** Crypto workers beside the thread that serves. */
const MOUNT_WORKERS = 1;

/** This machine, through Deno. What is heavy is loaded when it is first used. */
export function denoHost(options: { readonly colours: boolean }): Host {
  let local: FileTree | undefined;
  return {
    runtime: systemRuntime,
    out: outputOf(Deno.stdout, options.colours),
    err: outputOf(Deno.stderr, options.colours),
    keyboard: KEYBOARD,
    pipes: PIPES,
    get local() {
      return local ??= libcFiles() ?? LOCAL_FILES;
    },
    absolute: (path) => isUrl(path) ? path : resolve(path),
    canonical,
    pathOf,
    owner: () =>
      mayAsk("uid") && mayAsk("gid")
        ? { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 }
        : NOBODY_ASKED,
    readSmall,
    writePrivate,
    openStorage: (config, onWarning) => openStorage(config, { onWarning }),
    openJournal: async (path) => (await universalStorage()).openJournal(path),
    openParts,
    runningMount,
    cleanStale,
    mount,
    serveControl: async (mountpoint, answer) =>
      (await import("./control_socket.ts")).serveControl(mountpoint, answer),
    onSignal,
    runCommand,
  };
}

/** Without permission to ask who runs this, what is made belongs to root. */
const NOBODY_ASKED = { uid: 0, gid: 0 };

function mayAsk(kind: "uid" | "gid"): boolean {
  return Deno.build.os !== "windows" &&
    Deno.permissions.querySync({ name: "sys", kind }).state === "granted";
}

/** Device secrets lie below the home directory; without permission to find it, vaults open by passphrase only. */
function mayKeepSecrets(): boolean {
  return ["XDG_STATE_HOME", "HOME"].every((variable) =>
    Deno.permissions.querySync({ name: "env", variable }).state === "granted"
  );
}

function pathOf(medium: string): string | null {
  if (!isUrl(medium)) return resolve(medium);
  return medium.startsWith("file:") ? pathOfUrl(medium) : null;
}

/** One letter before the colon is a Windows drive. */
function isUrl(name: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]+:/.test(name);
}

async function openParts(name: string, options: OpenParts): Promise<OpenedParts> {
  const [{ createKernel }, { openVaultMedium }, { openLane }] = await Promise.all([
    import("../../wasm/kernel.ts"),
    import("../open_vault_medium.ts"),
    import("../crypto_lane.ts"),
  ]);
  const { linuxPlatform } = await import("../linux/platform.ts");
  const { cryptoLane } = options;
  const medium = await openVaultMedium(name, options);
  options.begun?.();
  try {
    const kernel = createKernel({ memoryBytes: KERNEL_BYTES });
    const lane = await openLane(kernel, medium, { cryptoLane, workers: 0 });
    return {
      medium,
      kernel,
      runtime: systemRuntime,
      platform: mayKeepSecrets() ? linuxPlatform() : undefined,
      lane: lane.lane,
      closeParts: async () => {
        await lane.close();
        await medium.close();
      },
    };
  } catch (error) {
    await medium.close();
    throw error;
  }
}

/** The path that the kernel knows; of a dead mount point only its parent can be looked at. */
async function canonical(path: string): Promise<string> {
  const whole = resolve(path);
  const cut = whole.lastIndexOf("/");
  if (cut < 0 || whole === "/") return whole;
  try {
    return await Deno.realPath(whole);
  } catch {
    const parent = await Deno.realPath(whole.slice(0, cut) || "/").catch(() => whole.slice(0, cut));
    return `${parent === "/" ? "" : parent}${whole.slice(cut)}`;
  }
}

async function runningMount(path: string): Promise<RunningMount | null> {
  if (isUrl(path)) return null;
  const info = await Deno.lstat(path).catch((error) => {
    // A dead mount point cannot be looked at either.
    if (error instanceof Deno.errors.NotCapable) throw error;
    return null;
  });
  if (info !== null && !info.isDirectory && !info.isSymlink) return null;
  const { connectControl } = await import("./control_socket.ts");
  return await connectControl(await canonical(path));
}

async function cleanStale(mountpoint: string): Promise<"cleaned" | "none"> {
  const [{ openLibc }, { isStale, prepareMountpoint }] = await Promise.all([
    import("../libc/symbols.ts"),
    import("../libfuse3/stale_mount.ts"),
  ]);
  const libc = openLibc();
  try {
    const path = await canonical(mountpoint);
    if (!isStale(libc, path)) return "none";
    prepareMountpoint(libc, path);
    const { forgetMountpoint } = await import("./mountpoint_lock.ts");
    await forgetMountpoint(path);
    return "cleaned";
  } finally {
    libc.close();
  }
}

async function mount(
  order: MountOrder,
  report: (error: Error) => void,
  hurry: AbortSignal,
): Promise<ServedMount> {
  if (Deno.build.os !== "linux") {
    throw new VaultError("invalid", "Cannot mount on this system: only Linux has a driver yet");
  }
  const { medium, secret, kdf, making } = order;
  const stretched = making?.stretched ?? stretchAhead(pathOf(medium), secret, kdf ?? KDF_ORDER[0]);
  const { mountVault } = await import("../mount.ts");
  await keepMemoryPrivate();
  const mountpoint = await canonical(order.mountpoint);
  const make = making &&
    { order: making.order, overwrite: making.overwrite, isNew: making.isNew };
  const serving = { profiles: kdf && [kdf], workers: MOUNT_WORKERS, make };
  const { holdMountpoint } = await import("./mountpoint_lock.ts");
  const held = await holdMountpoint(mountpoint);
  try {
    const mount = await doing(
      `mount on "${mountpoint}"`,
      () => mountVault({ ...order, ...serving, stretched, mountpoint, report, hurry }),
    );
    mount.ended.catch(() => {}).finally(() => held?.close());
    return mount;
  } catch (error) {
    held?.close();
    throw error;
  }
}

const PR_SET_DUMPABLE = 4;

/**
 * No core dumps, and no debugger of the same user: a mount holds keys for a long time. Not swap: what is long unused may
 * be written there, so the documents advise to encrypt it.
 */
async function keepMemoryPrivate(): Promise<void> {
  const { openLibc } = await import("../libc/symbols.ts");
  const libc = openLibc();
  libc.symbols.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n);
  libc.close();
}

/**
 * Its name is not written where it is imported: what is, is looked through when the program starts, and every verb would wait 40 ms
 * for what only `storage` uses.
 */
const UNIVERSAL_STORAGE = new URL("../../backends/storage.ts", import.meta.url).href;

async function universalStorage(): Promise<typeof import("../../backends/storage.ts")> {
  try {
    return await import(UNIVERSAL_STORAGE);
  } catch (cause) {
    if (!(cause instanceof TypeError) || !cause.message.includes("--allow-read")) throw cause;
    const why = "Deno has no permission, pass --allow-read for the folder of the program";
    throw new VaultError("denied", `Cannot load universal storage: ${why}`, { cause });
  }
}

/** Providers are loaded when they are first used. */
async function openStorage(
  config: string | undefined,
  hooks: StorageHooks,
): Promise<ObjectStorage> {
  const { storageFromEnvironment, storageFromFile } = await universalStorage();
  if (config === undefined) return await storageFromEnvironment(hooks);
  return await storageFromFile(config, hooks);
}

async function runCommand([program, ...args]: readonly string[]): Promise<number> {
  const running: { child?: Deno.ChildProcess } = {};
  // Ctrl-C on a terminal reaches the command without us; twice, many programs take it for "at once".
  const reachesIt = (signal: Deno.Signal) => signal === "SIGINT" && Deno.stdin.isTerminal();
  // Before the command starts: it may be told to end at once. Never removed: what comes when it has ended must not end us between
  // it and the commit, and what came before waits for a thread of its own, for longer than some commands take.
  for (const signal of SIGNALS) {
    Deno.addSignalListener(signal, () => {
      if (running.child !== undefined && !reachesIt(signal)) passOn(running.child, signal);
    });
  }
  const streams = { stdin: "inherit", stdout: "inherit", stderr: "inherit" } as const;
  const spawn = () => Promise.resolve(new Deno.Command(program, { args, ...streams }).spawn());
  running.child = await doing(`run "${program}"`, spawn);
  return (await running.child.status).code;
}
