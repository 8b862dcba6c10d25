import { wipeAhead } from "../crypto/stretched.ts";
import { VaultError } from "../errors.ts";
import {
  type AskedVault,
  askForVault,
  Beginning,
  beginVault,
  type CreateOptions,
  type CreateReport,
  removeUnfinished,
  reportOf,
} from "./create.ts";
import type { Host, Making, MountOrder } from "./host.ts";
import { type MountReport, prepareMount, type ServeEvents, serveMount } from "./mount.ts";
import { interruptible } from "./terminal/interruption.ts";
import { progressOn } from "./terminal/progress.ts";

/** What was made, and where it is mounted. */
export type CreatedMount = CreateReport & Omit<MountReport, "medium">;

/** What happens, in this order. */
export interface CreatedEvents extends Pick<ServeEvents, "warn"> {
  /** Whatever comes later, the vault is there. */
  made(report: CreateReport): Promise<void>;
  ready(report: CreatedMount): Promise<void>;
}

/** Refuses what cannot be mounted, then asks for everything. Nothing is written. */
export async function askForMounted(
  host: Host,
  medium: string,
  { mountpoint, ...options }: CreateOptions & { readonly mountpoint: string },
): Promise<AskedVault> {
  if (/^memory:/i.test(medium)) {
    throw new VaultError(
      "invalid",
      `Cannot mount "${medium}": memory is gone when the vault is made; name a file`,
    );
  }
  await prepareMount(host, mountpoint);
  return await askForVault(host, medium, options);
}

/**
 * Makes a vault and serves it until somebody unmounts. The thread that serves makes it: it has loaded what that takes when the keys
 * are derived, and has nothing to open then. What ends the process in between leaves a vault that is made and not mounted.
 */
export async function createMounted(
  host: Host,
  asked: AskedVault,
  mountpoint: string,
  events: CreatedEvents,
): Promise<void> {
  const { order, stretched } = beginVault(host, asked);
  const bar = progressOn(host.err, host.runtime);
  const made = Promise.withResolvers<CreateReport>();
  const told = made.promise.then(async (report) => {
    await bar.clear();
    await events.made(report);
    return report;
  });
  told.catch(() => {}); // whoever goes on is told
  const beginning = new Beginning();
  let isMade = false;
  let isGivenUp = false;
  const makingUntil = (tooLate: () => void): Making => ({
    order,
    overwrite: asked.options.force,
    isNew: asked.isNew,
    begun: () => beginning.happened(),
    stretched,
    progress: (done, total) => bar.show(done, total, "noise"),
    made(report) {
      if (isGivenUp) return; // it is being removed
      isMade = true;
      tooLate();
      made.resolve(reportOf(asked, report));
    },
  });
  const ready: ServeEvents["ready"] = async ({ medium: _, ...mount }) =>
    await events.ready({ ...await told, ...mount });
  try {
    await interruptible(host, async (tooLate) => {
      const mountOrder = { ...orderOf(asked), mountpoint, making: makingUntil(tooLate) };
      await beginning.of(serveMount(host, mountOrder, { ...events, ready }));
    });
  } catch (error) {
    isGivenUp = !isMade;
    if (isMade) await told;
    else if (await beginning.hasHappened()) await removeUnfinished(host, asked);
    throw error;
  } finally {
    await bar.clear();
    void wipeAhead(stretched);
  }
}

/** How `mount` mounts unless told otherwise. */
function orderOf({ name, secret, options }: AskedVault): Omit<MountOrder, "mountpoint"> {
  const { kdf, cryptoLane, memory } = options;
  const shown = { readOnly: false, allowOther: false, noatime: false, listSnapshots: false };
  return { medium: name, secret, kdf, cryptoLane, memory, ...shown, extra: [] };
}
