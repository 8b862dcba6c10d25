import { VaultError } from "../errors.ts";
import { unless, unlessMissing } from "../storage/store_failures.ts";
import { parentOf } from "./file_tree.ts";
import type { Host, RunningMount } from "./host.ts";
import type { VaultTarget } from "./open.ts";

/** Identity of the file that holds a vault; undefined where it is no file of this machine, or is not there. */
export async function identityOf(host: Host, medium: string): Promise<string | undefined> {
  const path = host.pathOf(medium);
  if (path === null) return undefined;
  try {
    const stat = await unlessMissing(async () => host.local.stat(await host.canonical(path)));
    return stat?.identity;
  } catch (error) {
    // Who may not look at it does not read or write it either.
    if (error instanceof VaultError && error.kind === "denied") return undefined;
    throw error;
  }
}

/** Refuses to write to the file that holds the vault, mounted or not: what is written would take its place. */
export async function requireElsewhere(
  { host, medium }: VaultTarget,
  file: string,
): Promise<void> {
  const path = host.absolute(file);
  const own = await identityOf(host, await mediumOf(host, medium));
  await requireOutside(host, own, path);
  const there = await unlessMissing(() => host.local.stat(path));
  if (there === null || there.identity === "" || there.identity !== own) return;
  throw new VaultError("invalid", `Cannot write "${file}": it is the vault itself`);
}

/** Refuses a path in the directory that holds a vault: its objects lie there. */
export async function requireOutside(
  { local, canonical }: Host,
  own: string | undefined,
  path: string,
): Promise<void> {
  if (own === undefined) return;
  const isDenied = (error: unknown) => error instanceof VaultError && error.kind === "denied";
  const look = async () => await local.stat(await canonical(parentOf(path)));
  const above = await unless(isDenied, () => unlessMissing(look));
  if (above?.identity !== own) return;
  throw new VaultError("invalid", `Cannot write "${path}": it is the vault itself`);
}

/** Path or URL of the medium that a mount serves. */
export async function mediumOfMount(mount: RunningMount): Promise<string> {
  return (await mount.call("info") as { readonly medium: string }).medium;
}

async function mediumOf(host: Host, named: string): Promise<string> {
  const mount = await host.runningMount(named);
  if (mount === null) return host.absolute(named);
  try {
    return await mediumOfMount(mount);
  } finally {
    mount.close();
  }
}
