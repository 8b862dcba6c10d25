/**
 * `check`, `resize`, `compact`.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import { compactVault, type ResizeReport, resizeVault } from "../vault/resize.ts";
import { checkVault } from "../vault/check.ts";
import type { CheckReport } from "../vault/check_report.ts";
import type { Vault } from "../vault/vault.ts";
import type { VaultDescription } from "./describe.ts";
import { agreeToTouchFree } from "./protect.ts";
import { onMountOr, type VaultTarget, withOpened, withSecret, withVault } from "./open.ts";
import { formatSize, plural } from "./sizes.ts";
import { printable, type Style } from "./terminal/colours.ts";
import { progressOn } from "./terminal/progress.ts";

/** Blocks of deleted files freed in one step. */
const RECLAIM_BLOCKS = 1024;

/** `check`: reads everything and compares what refers to what. */
export async function check(target: VaultTarget): Promise<CheckReport> {
  const { host } = target;
  const bar = progressOn(host.err, host.runtime);
  const progress = (done: number, total: number) => bar.show(done, total, "check");
  try {
    return await onMountOr(
      target,
      { name: "check", progress },
      () => checkMedium(target, progress),
    );
  } finally {
    await bar.clear();
  }
}

/** What only the intent log has yet is read as well: as the next mount will find it, with nothing written. */
async function checkMedium(
  target: VaultTarget,
  progress: (done: number, total: number) => void,
): Promise<CheckReport> {
  const { host, medium, options: { cryptoLane = "wasm" } } = target;
  const use = (vault: Vault) => checkVault(vault, { progress });
  return await withSecret(target, "read", async (opening) => {
    const found = await withOpened(target, "read", opening, use);
    if (found.unread === 0) return found;
    // Closed, a vault has closed its media.
    const parts = await host.openParts(host.absolute(medium), { access: "read", cryptoLane });
    try {
      return withLog(found, await withOpened(target, "scratch", { ...opening, parts }, use));
    } finally {
      await parts.closeParts();
    }
  });
}

/** One report of a vault as its newest root has it, and as it is with its log: each thing once. */
function withLog(root: CheckReport, whole: CheckReport): CheckReport {
  const known = new Set(root.problems.map((problem) => JSON.stringify(problem)));
  const more = whole.problems.filter((problem) => !known.has(JSON.stringify(problem)));
  const problems = [...root.problems, ...more];
  return { ...whole, problems, more: Math.max(root.more, whole.more), ok: problems.length === 0 };
}

/** For people. */
export function checkText(report: CheckReport, style: Style): string {
  const { files, directories, blocks, bytes, problems, more, ok } = report;
  let text = "";
  for (const { kind, what, path } of problems) {
    const where = path === undefined ? "" : ` (in "${printable(path)}")`;
    text += `${style.red(kind)}: ${printable(what)}${where}\n`;
  }
  if (more > 0) text += `and ${more} more\n`;
  const counts = [plural(files, "file"), plural(directories, "directory"), plural(blocks, "block")];
  const seen = `${counts.join(", ")}, ${formatSize(bytes)} read`;
  if (report.unread > 0) {
    text += `not looked at: ${
      plural(report.unread, "transaction")
    } that a mount left in the intent log; `;
    text += "mount the vault, and check the mount point\n";
  }
  return text + (ok ? style.green("clean") : style.red("damaged")) + `: ${seen}\n`;
}

/** A vault with problems is `corrupt` to whoever runs this in a script. */
export function requireClean(medium: string, report: CheckReport): void {
  if (report.ok) return;
  const count = report.problems.length + report.more;
  throw new VaultError("corrupt", `Cannot call "${medium}" clean: ${plural(count, "problem")}`);
}

/** `resize`: a dense vault to exactly this size, a sparse one to at most. */
export async function resize(
  target: VaultTarget,
  { sizeBytes, yes }: { readonly sizeBytes: number; readonly yes: boolean },
): Promise<ResizeReport> {
  const { host, medium } = target;
  const mount = await host.runningMount(medium);
  if (mount === null) {
    return await withVault(target, "write", async (vault) => {
      if (vault.opened.volume.store.dense) await agreeToTouchFree(host, medium, yes);
      return await resizeVault(vault, sizeBytes);
    });
  }
  try {
    const { dense } = await mount.call("info") as VaultDescription;
    if (dense) await agreeToTouchFree(host, medium, yes);
    return await mount.call("resize", { sizeBytes }) as ResizeReport;
  } finally {
    mount.close();
  }
}

/** `compact`: a sparse vault to what it needs. */
export async function compact(target: VaultTarget): Promise<ResizeReport> {
  return await onMountOr(target, { name: "compact" }, async () => {
    return await withVault(target, "write", compactOpened);
  });
}

/** Frees what deleted files still hold, then compacts. */
export async function compactOpened(vault: Vault): Promise<ResizeReport> {
  while (vault.fileSystem.reclaim(RECLAIM_BLOCKS));
  return await compactVault(vault);
}

/** For people. */
export function resizeText({ beforeBytes, afterBytes, moved }: ResizeReport): string {
  return `the medium had ${formatSize(beforeBytes)} and has ${formatSize(afterBytes)}; ${
    plural(moved, "block")
  } moved\n`;
}
