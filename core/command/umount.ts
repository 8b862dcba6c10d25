import { VaultError } from "../errors.ts";
import type { Host } from "./host.ts";

/** What `umount` did. */
export interface UmountReport {
  readonly mountpoint: string;
  /** "cleaned": the process that served it was dead. */
  readonly state: "unmounted" | "cleaned";
}

/** How to unmount. */
export interface UmountOptions {
  /** Cut it off: what was not synced is lost. */
  readonly force: boolean;
  /** What becomes of a transaction that is open; without it, unmounting is refused. */
  readonly transaction: "commit" | "rollback" | null;
}

/** Asks the process that serves a mount to unmount, and waits until everything is written. */
export async function umount(
  host: Host,
  mountpoint: string,
  options: UmountOptions,
): Promise<UmountReport> {
  const running = await host.runningMount(mountpoint);
  if (running === null) return await clean(host, mountpoint);
  try {
    const { state } = await running.call("umount", { ...options }) as {
      state: "unmounted" | "busy";
    };
    if (state === "unmounted") {
      await running.ended();
      return { mountpoint, state };
    }
    throw new VaultError(
      "conflict",
      `Cannot finish unmounting "${mountpoint}": a program still uses it; ` +
        "it is out of sight, and is written and closed when that program ends",
    );
  } catch (error) {
    // Whoever served it died at this very moment.
    const gone = error instanceof VaultError && error.kind === "unavailable";
    if (!gone || await host.cleanStale(mountpoint) === "none") throw error;
    return { mountpoint, state: "cleaned" };
  } finally {
    running.close();
  }
}

async function clean(host: Host, mountpoint: string): Promise<UmountReport> {
  if (await host.cleanStale(mountpoint) === "cleaned") return { mountpoint, state: "cleaned" };
  throw new VaultError("missing", `Cannot unmount "${mountpoint}": no vault is mounted there`);
}
