/**
 * `key rotate`: a fresh epoch of keys, and everything moved to it.
 *
 * @module
 */
import {
  isRotating,
  type RotationProgress,
  rotationSteps,
  slotsOf,
  startRotation,
} from "../vault/rotation.ts";
import type { Vault } from "../vault/vault.ts";
import { listSlots } from "../volume/header_slots.ts";
import type { ProvenSlot } from "../volume/slot_search.ts";
import type { VaultDescription } from "./describe.ts";
import type { Host, RunningMount } from "./host.ts";
import { type SlotRow, slotRow } from "./keys.ts";
import { type SecretParts, type VaultTarget, withOpened, withSecret } from "./open.ts";
import { agreeToTouchFree } from "./protect.ts";
import { proofsOf, type RotatedMount } from "./rotate_verbs.ts";
import { profilesOf, secretFor, wantsProtection, wipeSecret } from "./secrets.ts";
import { formatSize } from "./sizes.ts";
import { proofOf } from "./slot_verbs.ts";
import { type KeptSecrets, StayingSlots } from "./staying_slots.ts";
import { progressOn } from "./terminal/progress.ts";

/** What `key rotate` is told. */
export interface RotateOptions extends KeptSecrets {
  readonly yes?: boolean;
}

/** What it did. */
export interface RotateReport {
  /** The epoch of everything that is there now. */
  readonly epoch: number;
  /** Key slots that stayed, and those that were dropped; empty where an earlier rotation was finished. */
  readonly kept: readonly number[];
  readonly dropped: readonly number[];
  /** An earlier rotation was finished instead of beginning one. */
  readonly finished: boolean;
  readonly writtenBytes: number;
}

const NO_SLOTS = { kept: [], dropped: [] };

/** `key rotate`. */
export async function rotateKey(
  target: VaultTarget,
  options: RotateOptions,
): Promise<RotateReport> {
  const { host, medium } = target;
  const mount = await host.runningMount(medium);
  if (mount !== null) {
    try {
      return await rotateMounted(target, mount, options);
    } finally {
      mount.close();
    }
  }
  return await withSecret(target, "write", async (opening) => {
    return await withOpened(target, "write", opening, async (vault) => {
      const finished = isRotating(vault);
      const slots = finished ? NO_SLOTS : await begin(target, vault, { ...opening, ...options });
      const writtenBytes = await carry(host, vault);
      const { epoch } = vault.opened.volume.store.context;
      return { epoch, ...slots, finished, writtenBytes };
    });
  });
}

/** Settles which slots stay, and gives them the fresh epoch. */
async function begin(
  { host, medium, options: how }: VaultTarget,
  vault: Vault,
  options: SecretParts & RotateOptions,
): Promise<Pick<RotateReport, "kept" | "dropped">> {
  const { yes = false } = options;
  const proven = new Map<number, ProvenSlot>();
  const staying = new StayingSlots(host, {
    list: async () => (await listSlots(vault.header)).map(slotRow),
    proves: async (secret) => {
      const found = await slotsOf(vault, { secret, profiles: profilesOf(how) });
      for (const slot of found) proven.set(slot.index, slot);
      return found.map(({ index }) => index);
    },
  });
  try {
    await staying.collect(options.secret, options);
    await staying.agreeToDrop(yes);
    const { dense } = vault.opened.volume.store;
    if (dense && !wantsProtection(how)) await agreeToTouchFree(host, medium, yes);
    await startRotation(vault, [...proven.values()]);
    return staying.result;
  } finally {
    staying.wipe();
  }
}

/** The same in the process that mounted the vault, which goes on serving. */
async function rotateMounted(
  target: VaultTarget,
  mount: RunningMount,
  options: RotateOptions,
): Promise<RotateReport> {
  const { host, medium, options: how } = target;
  const { dense, olderEpochs } = await mount.call("info") as VaultDescription;
  if (olderEpochs.length > 0) {
    return { ...await call(host, mount, "key carry", {}), ...NO_SLOTS, finished: true };
  }
  const first = await secretFor(host, medium, how);
  const staying = new StayingSlots(host, {
    list: async () => await mount.call("key list") as SlotRow[],
    proves: async (secret) => {
      const proof = proofOf(secret, how.kdf);
      return (await mount.call("key prove", proof) as { slots: number[] }).slots;
    },
  });
  try {
    await staying.collect(first, options);
    await staying.agreeToDrop(options.yes === true);
    if (dense) await agreeToTouchFree(host, medium, options.yes === true);
    const proofs = proofsOf(staying.secrets, how.kdf);
    const rotated = await call(host, mount, "key rotate", proofs);
    return { ...rotated, ...staying.result, finished: false };
  } finally {
    staying.wipe();
    wipeSecret(first);
  }
}

async function call(
  host: Host,
  mount: RunningMount,
  verb: string,
  options: Parameters<RunningMount["call"]>[1],
): Promise<RotatedMount> {
  const bar = progressOn(host.err, host.runtime);
  try {
    const progress = (done: number, total: number) => bar.show(done, total, "rotate keys");
    return await mount.call(verb, options, progress) as RotatedMount;
  } finally {
    await bar.clear();
  }
}

async function carry(host: Host, vault: Vault): Promise<number> {
  const bar = progressOn(host.err, host.runtime);
  let written = 0;
  try {
    for await (const step of rotationSteps(vault)) {
      written += step.writtenBytes;
      bar.show(step.doneBytes, step.totalBytes, STAGE_TEXT[step.stage]);
    }
    return written;
  } finally {
    await bar.clear();
  }
}

const STAGE_TEXT: Readonly<Record<RotationProgress["stage"], string>> = {
  moving: "move to the new keys",
  proving: "prove that nothing is left",
  overwriting: "overwrite what is free",
};

/** For people. */
export function rotateText({ epoch, kept, finished, writtenBytes }: RotateReport): string {
  const slots = finished
    ? "finished the rotation that had begun"
    : `key slots that stay: ${kept.join(", ")}`;
  return `${slots}\nall is under key epoch ${epoch}; ${formatSize(writtenBytes)} written\n`;
}
