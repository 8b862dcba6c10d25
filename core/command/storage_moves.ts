/**
 * Verbs that carry many files from one provider to another.
 *
 * @module
 */
import { stopped } from "./exit_codes.ts";
import { VaultError } from "../errors.ts";
import { migrate, type MigrationOptions } from "../objects/migration.ts";
import { sync, syncTwoWay } from "../objects/sync.ts";
import type { JournalFile } from "../objects/transfer_journal.ts";
import type { TransferOptions, TransferReport, TransferSides } from "../objects/transfer_run.ts";
import type { Host } from "./host.ts";
import { formatSize, plural } from "./sizes.ts";
import { withStorage } from "./storage.ts";
import { printable, type Style } from "./terminal/colours.ts";
import { progressOn } from "./terminal/progress.ts";

/** What both verbs take. */
export interface MoveOptions {
  /** A file of settings; the environment unless given. */
  readonly config?: string;
  readonly from: string;
  readonly to: string;
  readonly journal?: string;
  readonly parallel?: number;
  /** Bytes a second. */
  readonly rate?: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** How to sync. */
export interface SyncOrder {
  readonly delete?: boolean;
  readonly twoWay?: boolean;
  readonly acceptEmpty?: boolean;
}

/** One of the transfers, with what its options leave open. */
type Transfer = (sides: TransferSides, options: TransferOptions) => Promise<TransferReport>;

/** Copies files to another provider. */
export async function migrateFiles(
  host: Host,
  pattern: string | undefined,
  options: MoveOptions & Pick<MigrationOptions, "deleteSource" | "overwrite">,
): Promise<TransferReport> {
  const { deleteSource, overwrite } = options;
  return await run(host, { ...options, pattern }, (sides, shared) => {
    return migrate(sides, { ...shared, deleteSource, overwrite });
  });
}

/** Makes a provider the same as another, or both the same. */
export async function syncFiles(
  host: Host,
  pattern: string | undefined,
  options: MoveOptions & SyncOrder,
): Promise<TransferReport> {
  const { acceptEmpty, twoWay } = options;
  if (twoWay !== true) {
    const order = { acceptEmpty, delete: options.delete };
    return await run(host, { ...options, pattern }, (sides, shared) => {
      return sync(sides, { ...shared, ...order });
    });
  }
  if (options.delete === true) {
    throw new VaultError("invalid", "Cannot sync two ways with --delete: that is one way only");
  }
  if (options.journal === undefined) {
    const why = "what both had in common must be noted; use --journal";
    throw new VaultError("invalid", `Cannot sync two ways without a journal: ${why}`);
  }
  return await run(host, { ...options, pattern }, (sides, { journal, ...shared }) => {
    return syncTwoWay(sides, { ...shared, acceptEmpty, journal: journal as JournalFile });
  });
}

async function run(
  host: Host,
  options: MoveOptions & { readonly pattern: string | undefined },
  transfer: Transfer,
): Promise<TransferReport> {
  const { from, to, pattern, parallel, rate, dryRun } = options;
  return await withStorage({ host, options }, async (storage) => {
    const sides = { from: storage.named(from), to: storage.named(to) };
    const stopping = new AbortController();
    const why = stopped("Cannot finish: it was stopped; the same call goes on");
    const ignore = host.onSignal(() => stopping.abort(why));
    const { signal } = stopping;
    const start = async (told: Partial<TransferOptions>) => {
      const journal = options.journal === undefined
        ? undefined
        : await host.openJournal(host.absolute(options.journal));
      const shared = { pattern, parallel, bytesPerSecond: rate, signal, journal };
      return await transfer(sides, { ...shared, ...told });
    };
    try {
      return dryRun === true ? await planned(host, options, start) : await shown(host, start);
    } finally {
      ignore();
    }
  });
}

type Start = (told: Partial<TransferOptions>) => Promise<TransferReport>;

/** Says what would be done, file by file. */
async function planned(
  host: Host,
  { json }: Pick<MoveOptions, "json">,
  start: Start,
): Promise<TransferReport> {
  let written = Promise.resolve();
  const onAction = (path: string, action: string) => {
    if (json !== true) {
      written = written.then(() => host.out.write(`${action} ${printable(path)}\n`));
    }
  };
  const report = await start({ dryRun: true, onAction });
  await written;
  return report;
}

/** With a bar on a terminal, for which is counted first what there is to do. */
async function shown(host: Host, start: Start): Promise<TransferReport> {
  if (!host.err.isTerminal) return await start({});
  let total = 0;
  const plan = await start({ dryRun: true, onProgress: ({ objects }) => total = objects });
  const bar = progressOn(host.err, host.runtime);
  try {
    return await start({
      onProgress({ objects, bytes, path }) {
        bar.show(bytes, plan.bytes, `${objects} of ${plural(total, "file")}  ${path}`);
      },
    });
  } finally {
    await bar.clear();
  }
}

/** For people. */
export function moveText(report: TransferReport, style: Style): string {
  const { copied, skipped, deleted, conflicts, bytes, compared, failed, failures, dryRun } = report;
  const facts = [
    `${plural(copied, "file")} copied (${formatSize(bytes)})`,
    dryRun && compared > 0 ? `${compared} to be compared` : "",
    skipped > 0 ? `${skipped} the same already` : "",
    deleted > 0 ? `${deleted} removed` : "",
    conflicts > 0 ? `${conflicts} kept twice` : "",
    failures > 0 ? style.red(`${failures} failed`) : "",
  ];
  const lines = failed.map(({ path, reason }) => {
    return `${style.red("failed")}: ${printable(path)}: ${printable(reason)}\n`;
  });
  if (failures > failed.length) lines.push(`and ${failures - failed.length} more\n`);
  const told = facts.filter((fact) => fact !== "").join(", ");
  return `${dryRun ? "would be: " : ""}${told}\n${lines.join("")}`;
}

/** What failed makes the whole fail, as its first failure does. */
export function requireAll({ failures, failed }: TransferReport, verb: "migrate" | "sync"): void {
  if (failures === 0) return;
  throw new VaultError(
    failed[0].kind,
    `Cannot ${verb} everything: ${plural(failures, "file")} failed; the same call tries them again`,
  );
}
