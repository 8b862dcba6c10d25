import { createHmac } from "node:crypto";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { DeviceFingerprint, Platform, SecureStorage } from "../../core/crypto/platform.ts";
import { VaultError } from "../../core/errors.ts";
import { memoryFiles } from "./memory_files.ts";
import { secretFiles } from "./secret_files.ts";

const FINGERPRINT_LABEL = "sigmavault 1 device fingerprint";
const ID_BYTES = 16;
/**
 * What names a machine; the first that can be read counts. Not both together: the second is for root only, and the same
 * machine must not look like another to another user.
 */
const IDENTITY_FILES = ["/etc/machine-id", "/sys/class/dmi/id/product_uuid"];

/** Where a Linux platform finds things. */
export interface LinuxPlatformOptions {
  /** Device secrets; files below {@linkcode stateDirectory} unless given. */
  readonly storage?: SecureStorage;
  /** Files that name the machine. */
  readonly identityFiles?: readonly string[];
}

/** The platform interface on Linux. */
export function linuxPlatform(options: LinuxPlatformOptions = {}): Platform {
  const { identityFiles = IDENTITY_FILES } = options;
  let storage = options.storage;
  return {
    deviceFingerprint: () => fingerprint(identityFiles),
    // Late: a platform that is never asked for secrets needs no home directory.
    secureStorage: () => storage ??= secretFiles(join(stateDirectory(), "device")),
    rootMemory: () => memoryFiles(memoryDirectory()),
    freeMemoryBytes,
    filesystemDriver: () => "libfuse3",
  };
}

/** `$XDG_STATE_HOME/sigmavault`, or `~/.local/state/sigmavault`. */
export function stateDirectory(): string {
  const state = Deno.env.get("XDG_STATE_HOME");
  // The XDG specification says that relative paths are to be ignored.
  if (state?.startsWith("/")) return join(state, "sigmavault");
  // mount(8) and systemd start programs without HOME: then the list of users says it.
  const home = Deno.env.get("HOME") || userInfo().homedir;
  if (home) return join(home, ".local", "state", "sigmavault");
  throw new VaultError(
    "invalid",
    'Cannot find a place for device secrets: set "HOME" or "XDG_STATE_HOME"',
  );
}

/** Where roots are remembered; null where there is no place, or no permission to look for one. */
function memoryDirectory(): string | null {
  try {
    return join(stateDirectory(), "memory");
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable || error instanceof VaultError) return null;
    throw error;
  }
}

/** 0 without permission to ask. */
function freeMemoryBytes(): number {
  const asking = { name: "sys", kind: "systemMemoryInfo" } as const;
  const { state } = Deno.permissions.querySync(asking);
  return state === "granted" ? Deno.systemMemoryInfo().available : 0;
}

/** A keyed hash, so that a listing does not give the machine's own id away. */
async function fingerprint(files: readonly string[]): Promise<DeviceFingerprint> {
  const name = Deno.hostname();
  let identity = "";
  for (const file of files) identity ||= await readIdentity(file);
  const hash = createHmac("sha256", FINGERPRINT_LABEL).update(identity || name).digest();
  return { name, id: new Uint8Array(hash).slice(0, ID_BYTES) };
}

async function readIdentity(file: string): Promise<string> {
  try {
    return (await Deno.readTextFile(file)).trim();
  } catch (error) {
    const absent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable;
    if (absent) return "";
    throw error;
  }
}
