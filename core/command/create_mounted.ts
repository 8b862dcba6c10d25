import type { Secret } from "../crypto/key_encryption.ts";
import { copyAhead, wipeAhead } from "../crypto/stretched.ts";
import { VaultError } from "../errors.ts";
import {
  type AskedVault,
  askForVault,
  beginVault,
  type CreateOptions,
  type CreateReport,
  makeBegun,
} from "./create.ts";
import type { Host, MountOrder } from "./host.ts";
import { type MountReport, prepareMount, type ServeEvents, serveMount } from "./mount.ts";

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
 * Makes a vault and serves it until somebody unmounts. The thread that will serve starts while the keys are being derived, and opens
 * the vault with them. What ends the process in between leaves a vault that is made and not mounted.
 */
export async function createMounted(
  host: Host,
  asked: AskedVault,
  mountpoint: string,
  events: CreatedEvents,
): Promise<void> {
  // The mount wipes its secrets when it is open or has failed, and the vault may still be in the making then.
  const secret = copyOf(asked.secret);
  const begun = beginVault(host, asked);
  const stretched = copyAhead(begun.stretched);
  const making = makeBegun(host, begun);
  const told = making.then((report) => events.made(report));
  const made = told.then(() => stretched);
  for (const awaitedLater of [told, made]) awaitedLater.catch(() => {});
  try {
    await serveMount(host, { ...defaultsOf(asked), mountpoint, secret, made }, {
      warn: events.warn,
      ready: async ({ medium: _, ...mount }) => events.ready({ ...await making, ...mount }),
    });
  } finally {
    await told;
    await wipeAhead(stretched);
  }
}

/** How `mount` mounts unless told otherwise. */
function defaultsOf({ name, options }: AskedVault): Omit<MountOrder, "mountpoint" | "secret"> {
  const { kdf, cryptoLane, memory } = options;
  const shown = { readOnly: false, allowOther: false, noatime: false, listSnapshots: false };
  return { medium: name, kdf, cryptoLane, memory, ...shown, extra: [] };
}

function copyOf(secret: Secret): Secret {
  return "passphrase" in secret ? { passphrase: secret.passphrase.slice() } : secret;
}
