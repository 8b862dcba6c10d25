/**
 * `rescatter`: everything anew elsewhere.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import { stopped } from "./exit_codes.ts";
import { MIB } from "../limits.ts";
import type { ControlVerb } from "../vault/control.ts";
import { type RescatterReport, rescatterVault } from "../vault/rescatter.ts";
import type { VaultDescription } from "./describe.ts";
import { type VaultTarget, withVault } from "./open.ts";
import { agreeToTouchFree } from "./protect.ts";
import { wantsProtection } from "./secrets.ts";
import { formatSize, plural } from "./sizes.ts";
import { progressOn } from "./terminal/progress.ts";

/** Bytes in a second on a mount where nothing is said. */
const GENTLE_BYTES = 32 * MIB;

/** What `rescatter` is told. */
export interface RescatterOrder {
  /** Bytes written in a second; undefined: as fast as it goes on a medium, gently on a mount. */
  readonly rateBytes?: number;
  /** Begin anew. */
  readonly restart: boolean;
  readonly yes: boolean;
}

/** Seals everything anew in other places. Ctrl-C stops it: the next one goes on. */
export async function rescatter(
  target: VaultTarget,
  { rateBytes, restart, yes }: RescatterOrder,
): Promise<RescatterReport> {
  const { host, medium } = target;
  const agree = async (dense: boolean) => {
    if (dense && !wantsProtection(target.options)) await agreeToTouchFree(host, medium, yes);
  };
  const bar = progressOn(host.err, host.runtime);
  const progress = (done: number, total: number) => bar.show(done, total, "rescatter");
  const mount = await host.runningMount(medium);
  try {
    if (mount !== null) {
      await agree((await mount.call("info") as VaultDescription).dense);
      const options = { rateBytes: rateBytes ?? GENTLE_BYTES, restart };
      return await mount.call("rescatter", options, progress) as RescatterReport;
    }
    return await withVault(target, "write", async (vault) => {
      await agree(vault.opened.volume.store.dense);
      const stopping = new AbortController();
      const why = stopped("Cannot finish re-scattering: it was stopped; the next one goes on");
      const ignore = host.onSignal(() => stopping.abort(why));
      try {
        return await rescatterVault(vault, {
          rateBytes,
          restart,
          progress,
          signal: stopping.signal,
        });
      } finally {
        ignore();
      }
    });
  } finally {
    mount?.close();
    await bar.clear();
  }
}

/** The same on a mount: one at a time. */
export function rescatterVerb(): ControlVerb {
  let running = false;
  return async ({ vault, options: { rateBytes, restart }, signal, progress }) => {
    if (typeof rateBytes !== "number" || !(rateBytes > 0)) {
      throw new VaultError("invalid", "Cannot re-scatter: say the rate in bytes per second");
    }
    if (running) throw new VaultError("conflict", "Cannot re-scatter: it is under way already");
    running = true;
    try {
      const order = { rateBytes, restart: restart === true, signal, progress };
      return await rescatterVault(vault, order);
    } finally {
      running = false;
    }
  };
}

/** For people. */
export function rescatterText({ movedBlocks, writtenBytes, resumed }: RescatterReport): string {
  const since = resumed ? ", going on with one that was stopped" : "";
  return `${plural(movedBlocks, "block")} moved, ${formatSize(writtenBytes)} written${since}\n`;
}
