/**
 * `check`, `resize`, `compact`.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import { checkVault } from "../vault/check.ts";
import type { CheckReport } from "../vault/check_report.ts";
import { onMountOr, type VaultTarget, withVault } from "./open.ts";
import { formatSize } from "./sizes.ts";
import { printable, type Style } from "./terminal/colours.ts";
import { progressOn } from "./terminal/progress.ts";

/** `check`: reads everything and compares what refers to what. */
export async function check(target: VaultTarget): Promise<CheckReport> {
  const { host } = target;
  return await onMountOr(target, { name: "check" }, async () => {
    return await withVault(target, "read", async (vault) => {
      const bar = progressOn(host.err, host.runtime);
      try {
        const progress = (done: number, total: number) => bar.show(done, total, "check");
        return await checkVault(vault, { progress });
      } finally {
        await bar.clear();
      }
    });
  });
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
  const seen = `${files} files, ${directories} directories, ${blocks} blocks, ${
    formatSize(bytes)
  } read`;
  return text + (ok ? style.green("clean") : style.red("damaged")) + `: ${seen}\n`;
}

/** A vault with problems is `corrupt` to whoever runs this in a script. */
export function requireClean(medium: string, report: CheckReport): void {
  if (report.ok) return;
  const count = report.problems.length + report.more;
  throw new VaultError("corrupt", `Cannot call "${medium}" clean: ${count} problems`);
}
