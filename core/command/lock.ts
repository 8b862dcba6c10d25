/**
 * `lock`, `unlock`, `shred`: files under passphrases of their own, on a medium or where it is mounted.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import type { EraseOptions } from "../vault/file_lock_options.ts";
import type { ControlOptions } from "../vault/control.ts";
import type { Vault } from "../vault/vault.ts";
import type { VaultDescription } from "./describe.ts";
import { nameOf, parentOf, vaultPath } from "./file_tree.ts";
import type { Host, RunningMount } from "./host.ts";
import { type VaultTarget, withVault } from "./open.ts";
import { pathBytes } from "./path_text.ts";
import { agreeToTouchFree } from "./protect.ts";
import { newPassphrase, readPassphrase, wantsProtection } from "./secrets.ts";
import { printable } from "./terminal/colours.ts";
import { progressOn } from "./terminal/progress.ts";
import { agree } from "./terminal/prompt.ts";
import { splitVaultName } from "./vault_name.ts";
import { mountedView, withView } from "./view_tree.ts";

/** The three verbs. */
export type LockVerb = "lock" | "unlock" | "shred";

/** Where the passphrase of a file comes from, and what else is to be overwritten. */
export interface LockFlags {
  readonly lockPassphraseFile?: string;
  readonly lockPassphraseFd?: number;
  /** Unlock it until the mount ends only. */
  readonly untilUmount?: boolean;
  readonly freeCells?: boolean;
  readonly yes?: boolean;
}

/** What was done. */
export interface LockReport {
  readonly verb: LockVerb;
  /** In the vault. */
  readonly path: string;
  /** What it was before is overwritten; false on media that are written once, until they delete it. Null: nothing had to be. */
  readonly overwritten: boolean | null;
}

/** Runs one of them on a file: of the medium, or, without a path, a file inside a mount. */
export async function changeLock(
  target: VaultTarget,
  verb: LockVerb,
  typed: string | undefined,
  flags: LockFlags,
): Promise<LockReport> {
  const { host } = target;
  const { yes = false } = flags;
  const place = await placeOf(host, target.medium, typed);
  const { path, medium, view, mount } = place;
  try {
    if (verb === "shred") {
      await agree(host, `"${path}" is gone for ever then, in snapshots and clones too`, yes);
    }
    if (mount !== null && await touchesFreeOf(mount, { verb, path, flags })) {
      const { dense } = await mount.call("info") as VaultDescription;
      if (dense) await agreeToTouchFree(host, medium, yes);
    }
    const passphrase = verb === "shred" ? null : await passphraseFor(host, verb, path, flags);
    try {
      const work = { verb, path, passphrase, flags };
      const overwrites = mount !== null
        ? await onMount(host, mount, { ...work, view })
        : await onMedium({ ...target, medium }, { ...work, view });
      return { verb, path, overwritten: verb === "unlock" ? null : overwrites };
    } finally {
      passphrase?.fill(0);
    }
  } finally {
    mount?.close();
  }
}

/** What is named: on a medium, or in a mount of it. */
interface Place {
  readonly medium: string;
  readonly view: string | null;
  readonly path: string;
  readonly mount: RunningMount | null;
}

/** The place of a path of a medium, or, without one, of a path inside a mount. */
export async function placeOf(
  host: Host,
  first: string,
  typed: string | undefined,
): Promise<Place> {
  if (typed === undefined) return await placeInMount(host, first);
  const { medium, view } = await splitVaultName(host, first);
  return { medium, view, path: vaultPath(typed), mount: await host.runningMount(medium) };
}

/** The mount that a file lies in: the nearest directory above it that is a mount point of ours. */
async function placeInMount(host: Host, typed: string): Promise<Place> {
  const file = host.absolute(typed);
  let below = "";
  for (let at = file; at !== "/" && at !== ""; at = parentOf(at)) {
    below = `/${nameOf(at)}${below}`;
    const mount = await host.runningMount(parentOf(at));
    if (mount !== null) return { medium: parentOf(at), view: null, path: below, mount };
  }
  throw new VaultError(
    "invalid",
    `Cannot find the vault of "${typed}": it is in no mount; say the medium first, then the path`,
  );
}

/** Shredding does, where what a file was may lie anywhere. */
async function touchesFreeOf(
  mount: RunningMount,
  { verb, path, flags }: Pick<Work, "verb" | "path" | "flags">,
): Promise<boolean> {
  if (!touchesFree(verb, flags) || verb !== "shred") return touchesFree(verb, flags);
  const asked = { path: pathBytes(path).slice() };
  const { onlyForgets } = await mount.call("shred kind", asked) as {
    readonly onlyForgets: boolean;
  };
  return !onlyForgets;
}

/** Shredding does but for files that have always been under a secret of their own. */
function touchesFree(verb: LockVerb, { freeCells }: LockFlags): boolean {
  return verb === "shred" || freeCells === true;
}

async function passphraseFor(
  host: Host,
  verb: "lock" | "unlock",
  path: string,
  { lockPassphraseFile, lockPassphraseFd }: LockFlags,
): Promise<Uint8Array> {
  const source = lockPassphraseFile ?? lockPassphraseFd;
  const what = `Passphrase of "${path}"`;
  if (verb === "lock") return await newPassphrase(host, source, what);
  return await readPassphrase(host, source, `${what}: `);
}

interface Work {
  readonly verb: LockVerb;
  readonly path: string;
  readonly view: string | null;
  readonly passphrase: Uint8Array | null;
  readonly flags: LockFlags;
}

async function onMount(host: Host, mount: RunningMount, work: Work): Promise<boolean> {
  const { verb, path, view, passphrase, flags } = work;
  if (await mountedView(mount, view) !== "") throw ofSnapshot(path);
  return await withProgress(host, verb, async (progress) => {
    const options: ControlOptions = {
      path: pathBytes(path).slice(),
      passphrase,
      untilUmount: flags.untilUmount === true,
      freeCells: flags.freeCells === true,
    };
    const answer = await mount.call(verb, options, progress);
    const { ino, overwrites } = answer as { readonly ino: number; readonly overwrites: boolean };
    if (verb === "shred") {
      await host.local.remove(mount.mountpoint + path);
      await mount.call("shred done", { ino });
    }
    return overwrites;
  });
}

async function onMedium(target: VaultTarget, work: Work): Promise<boolean> {
  const { verb, path, view, passphrase, flags } = work;
  if (flags.untilUmount) {
    throw new VaultError(
      "invalid",
      `Cannot unlock "${path}" until it is unmounted: the vault is not mounted; leave --until-umount out`,
    );
  }
  return await withVault(target, "write", async (vault) => {
    await withView(vault, view, async ({ files, readOnly }) => {
      if (readOnly) throw ofSnapshot(path);
      const forgets = verb === "shred" && await files.onlyForgets(pathBytes(path));
      await agreeOnMedium(target, vault, { ...work, forgets });
      await withProgress(target.host, verb, async (told) => {
        const progress: EraseOptions["progress"] = (step) => told(step.doneBytes, step.totalBytes);
        await vault.locks.finishAll({ progress });
        const at = pathBytes(path);
        const erasing = { freeCells: flags.freeCells, progress };
        if (passphrase === null) await files.shred(at, { progress });
        else if (verb === "lock") await files.lock(at, { passphrase, ...erasing });
        else await files.unlock(at, { passphrase, progress });
      });
    });
    return vault.locks.overwrites;
  });
}

async function agreeOnMedium(
  { host, medium, options }: VaultTarget,
  vault: Vault,
  { verb, flags, forgets }: Work & { readonly forgets: boolean },
): Promise<void> {
  const touches = (touchesFree(verb, flags) && !forgets) || vault.locks.unfinished().length > 0;
  const isGuarded = !vault.opened.volume.store.dense || wantsProtection(options);
  if (touches && !isGuarded) await agreeToTouchFree(host, medium, flags.yes === true);
}

const DONE: Readonly<Record<LockVerb, string>> = {
  lock: "locked",
  unlock: "unlocked",
  shred: "shredded",
};

const DOING: Readonly<Record<LockVerb, string>> = {
  lock: "seal and overwrite",
  unlock: "open",
  shred: "overwrite",
};

async function withProgress<T>(
  host: Host,
  verb: LockVerb,
  work: (told: (done: number, total: number) => void) => Promise<T>,
): Promise<T> {
  const bar = progressOn(host.err, host.runtime);
  try {
    return await work((done, total) => bar.show(done, total, DOING[verb]));
  } finally {
    await bar.clear();
  }
}

function ofSnapshot(path: string): VaultError {
  return new VaultError(
    "invalid",
    `Cannot change the lock of "${path}": a snapshot was named; say its volume, and the file is locked in all of them`,
  );
}

/** For people. */
export function lockText({ verb, path, overwritten }: LockReport): string {
  const left = overwritten === false
    ? "; what it was before is gone when the medium has deleted the objects that hold it"
    : "";
  return `${DONE[verb]} ${printable(path)}${left}\n`;
}
