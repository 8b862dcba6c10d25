import { VaultError } from "../errors.ts";
import { stopped } from "./exit_codes.ts";
import { type ScrubReport, scrubVault } from "../vault/scrub.ts";
import type { LostReport } from "../vault/lost_datasets.ts";
import { onMountOr, type VaultTarget, withVault } from "./open.ts";
import { formatSize, plural } from "./sizes.ts";
import { printable, type Style } from "./terminal/colours.ts";
import { progressOn } from "./terminal/progress.ts";

/** What `scrub` is told. */
export interface ScrubOrder {
  /** Bytes in a second; undefined: as fast as it goes on a medium, gently on a mount. */
  readonly rateBytes?: number;
  /** Begin anew. */
  readonly restart: boolean;
}

/** Reads every shard and copy, repairs what is bad, and names what is lost. Ctrl-C stops it: the next one goes on. */
export async function scrub(target: VaultTarget, order: ScrubOrder): Promise<ScrubReport> {
  const { host } = target;
  const bar = progressOn(host.err, host.runtime);
  const progress = (done: number, total: number) => bar.show(done, total, "scrub");
  const options = { rateBytes: order.rateBytes ?? null, restart: order.restart };
  try {
    return await onMountOr(target, { name: "scrub", options, progress }, async () => {
      const stopping = new AbortController();
      const why = stopped("Cannot finish the scrub: it was stopped; the next one goes on");
      const ignore = host.onSignal(() => stopping.abort(why));
      try {
        const scrubbing = { ...order, progress, signal: stopping.signal };
        return await withVault(target, "write", (vault) => scrubVault(vault, scrubbing));
      } finally {
        ignore();
      }
    });
  } finally {
    await bar.clear();
  }
}

/** Has a mount scrub, and does not wait for it: null where it goes on there, the report where it is done already. */
export async function scrubInBackground(
  { host, medium }: VaultTarget,
  { rateBytes, restart }: ScrubOrder,
): Promise<ScrubReport | null> {
  const mount = await host.runningMount(medium);
  if (mount === null) {
    throw new VaultError(
      "invalid",
      `Cannot scrub "${medium}" in the background: it is no mount point; leave --background out`,
    );
  }
  const begun = Promise.withResolvers<null>();
  const whole = mount.call("scrub", { rateBytes: rateBytes ?? null, restart }, () => {
    begun.resolve(null);
  }) as Promise<ScrubReport>;
  // Closing the connection ends the wait, not the scrub.
  whole.catch(() => {});
  try {
    return await Promise.race([whole, begun.promise]);
  } finally {
    mount.close();
  }
}

const LOSSES = {
  data: "lost",
  inode: "lost: only its name is left",
  name: "its name is lost, it is in lost+found",
  names: "names in it are lost",
  attributes: "extended attributes may be lost",
} as const;

/** A line for each file that is lost or not whole. */
export function lossLines({ lost, files, more }: LostReport, style: Style): string {
  let text = files.map(({ path, volume, snapshot, loss }) => {
    const where = snapshot === null ? volume : `${volume}, snapshot ${snapshot}`;
    return `${style.red(LOSSES[loss])}: ${printable(path)} (${printable(where)})\n`;
  }).join("");
  if (more > 0) text += `and ${more} more\n`;
  if (lost > 0) text += `${style.red("lost")}: ${plural(lost, "block")}\n`;
  return text;
}

/** For people. */
export function scrubText(report: ScrubReport, style: Style): string {
  const { places, bytes, bad, repaired, badHeaders, resumed } = report;
  let text = lossLines(report, style);
  const found = bad + badHeaders;
  if (found > 0) {
    const done = repaired ? style.green("repaired") : style.red("damaged and not all repaired");
    const header = badHeaders > 0 ? `, ${plural(badHeaders, "header")}` : "";
    text += `${done}: ${plural(bad, "shard")} or copies${header}\n`;
  }
  const whole = report.ok && found === 0 ? style.green("sound") : "read";
  const since = resumed ? ", going on with one that was stopped" : "";
  return `${text}${whole}: ${plural(places, "shard")} and copies, ${formatSize(bytes)}${since}\n`;
}

/** What is lost makes the vault `corrupt` to whoever runs this in a script. */
export function requireNothingLost(medium: string, report: ScrubReport): void {
  if (report.ok) return;
  const what = report.lost > 0
    ? `${plural(report.lost, "block")} of ${plural(report.files.length + report.more, "file")}`
    : "the header, which could not be written anew";
  throw new VaultError("corrupt", `Cannot call "${medium}" sound: lost are ${what}`);
}
