import { compare, equalConstantTime } from "../bytes.ts";
import { type VaultKeys, vaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import type { ControlCall, ControlOptions, ControlVerb } from "../vault/control.ts";
import { turns } from "../turn.ts";
import type { Vault } from "../vault/vault.ts";
import { backupHeader, restoreHeader } from "../volume/header_backup.ts";
import { addOlderEpochs, readHeaderBytes } from "../volume/header_cells.ts";
import { listSlots } from "../volume/header_slots.ts";
import { findSlot } from "../volume/slot_search.ts";
import { DATASET_CONTROL_VERBS } from "./dataset_verbs.ts";
import { describeVault } from "./describe.ts";
import { slotRow } from "./keys.ts";
import { LOCK_VERBS } from "./lock_verbs.ts";
import { rotateVerbs } from "./rotate_verbs.ts";
import { rescatterVerb } from "./rescatter.ts";
import { streamVerbs } from "./stream_verbs.ts";
import { scrubVerb } from "./scrub_verbs.ts";
import { SHREDDABLE_VERBS } from "./shreddable.ts";
import { type ProvenHeader, secretFrom, SLOT_VERBS, type SlotVerb } from "./slot_verbs.ts";
import { TRANSACTION_VERBS, transactionRow } from "./transaction_verbs.ts";

/** Verbs that a running mount understands. */
export function controlVerbs(): Readonly<Record<string, ControlVerb>> {
  // One change of slots reads what the one before has written, and nobody reads what is half written.
  const inTurn = turns();
  const slotVerbs = Object.entries(SLOT_VERBS).map(([name, verb]) =>
    [name, (call: ControlCall) => inTurn(() => runProven(call, verb))] as const
  );
  return {
    ...VERBS,
    info: (call) => inTurn(() => info(call)),
    "key list": ({ vault }) => inTurn(async () => (await listSlots(vault.header)).map(slotRow)),
    // No secret is asked for: like the medium itself, it is noise without one.
    "header backup": ({ vault }) =>
      inTurn(async () => ({ backup: await backupHeader(vault.header) })),
    scrub: scrubVerb(inTurn),
    rescatter: rescatterVerb(),
    ...rotateVerbs(inTurn),
    ...streamVerbs(),
    ...Object.fromEntries(slotVerbs),
    "header restore": (call) => inTurn(() => restore(call)),
  };
}

const VERBS: Readonly<Record<string, ControlVerb>> = {
  ...TRANSACTION_VERBS,
  ...DATASET_CONTROL_VERBS,
  ...LOCK_VERBS,
  ...SHREDDABLE_VERBS,
  check: async ({ vault, transaction, signal, progress }) => {
    const { checkVault } = await import("../vault/check.ts");
    // What is checked is the newest root, which a transaction that begins later does not touch.
    const started = await transaction.without("check the vault", () => {
      const report = checkVault(vault, { signal, progress });
      return Promise.resolve({ report });
    });
    return await started.report;
  },
  resize: async ({ vault, transaction, options: { sizeBytes } }) => {
    if (typeof sizeBytes !== "number") {
      throw new VaultError("invalid", "Cannot resize: say the size in bytes");
    }
    const { resizeVault } = await import("../vault/resize.ts");
    return await transaction.without("resize the vault", () => resizeVault(vault, sizeBytes));
  },
  compact: async ({ vault, transaction }) => {
    const { compactOpened } = await import("./maintenance.ts");
    return await transaction.without("compact the vault", () => compactOpened(vault));
  },
};

async function info({ vault, transaction }: ControlCall): Promise<object> {
  return {
    ...await describeVault(vault),
    mounted: true,
    transaction: transactionRow(transaction.state),
    keySlots: (await listSlots(vault.header)).map(slotRow),
  };
}

async function runProven({ vault, options }: ControlCall, verb: SlotVerb): Promise<object> {
  return await verb(await prove(vault, options), options);
}

/** Finds the slot that the presented secret opens. Deriving runs beside the thread that serves. */
async function prove(vault: Vault, options: ControlOptions): Promise<ProvenHeader> {
  const { header: context } = vault;
  const bytes = await readHeaderBytes(context.medium);
  const found = await findSlot({ ...context, ...secretFrom(options) }, [bytes]);
  if (found === null) {
    throw new VaultError(
      "denied",
      `Cannot touch the keys of "${context.medium.name}": wrong secret`,
    );
  }
  const keys = vaultKeys(found.payload);
  addOlderEpochs(context, keys, bytes);
  const isOurs = holdsAllOf(keys, context.keys);
  keys.wipe();
  if (isOurs) return { context, slotIndex: found.index };
  throw new VaultError(
    "conflict",
    `Cannot touch the keys of "${context.medium.name}": its header is of another vault by now`,
  );
}

async function restore({ vault, options }: ControlCall): Promise<object> {
  const { header } = vault;
  const { backup } = options;
  if (!(backup instanceof Uint8Array)) {
    throw new VaultError("invalid", "Cannot restore the header: no backup was given");
  }
  const { keys } = await restoreHeader({
    ...header,
    ...secretFrom(options),
    backup,
    verifyRoot: (found) => Promise.resolve(holdsAllOf(found, header.keys)),
  });
  keys.wipe();
  return { medium: vault.medium.name };
}

/** Whether `keys` open everything that the open vault reads and writes. */
function holdsAllOf(keys: VaultKeys, open: VaultKeys): boolean {
  return compare(keys.vaultId, open.vaultId) === 0 &&
    equalConstantTime(keys.layoutKey, open.layoutKey) &&
    open.epochs.every(({ epoch, masterKey }) =>
      keys.epochs.some((own) => own.epoch === epoch && equalConstantTime(own.masterKey, masterKey))
    );
}
