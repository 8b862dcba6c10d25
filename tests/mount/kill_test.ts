/**
 * A mount whose process is killed at any moment while programs write: what was acknowledged is there, whole.
 * SIGMAVAULT_KILL_ROUNDS (default 20) and SIGMAVAULT_KILL_SEED say how often, and from where.
 */
import assert from "node:assert/strict";
import { whyNoMount } from "../support/mounted_driver.ts";
import { MountedVault } from "../support/mounted_vault.ts";
import { checkClosed, PromisedWriter } from "../support/promised_writer.ts";
import { RandomStream } from "../support/random_stream.ts";

const reason = whyNoMount();
const rounds = Number(Deno.env.get("SIGMAVAULT_KILL_ROUNDS") ?? 20);
const firstSeed = Number(Deno.env.get("SIGMAVAULT_KILL_SEED") ?? Math.floor(Math.random() * 1e9));
const WRITERS = 2;
const ACKNOWLEDGED_MAX = 100;

/** Lets writers write until so much is acknowledged, then kills the server; what they were promised. */
async function killUnderLoad(
  vault: MountedVault,
  round: number,
  seed: number,
): Promise<PromisedWriter[]> {
  const random = new RandomStream(seed);
  const enough = Promise.withResolvers<void>();
  const wanted = 1 + random.below(ACKNOWLEDGED_MAX);
  const writers: PromisedWriter[] = [];
  const heard = () => {
    const acknowledged = writers.reduce((sum, writer) => sum + writer.acknowledged, 0);
    if (acknowledged >= wanted) enough.resolve();
  };
  for (let n = 0; n < WRITERS; n++) {
    writers.push(new PromisedWriter(`${vault.mountpoint}/${round}-${n}`, random.bits(), heard));
  }
  const ended = Promise.all(writers.map((writer) => writer.ended));
  await Promise.race([enough.promise, ended]);
  await vault.kill();
  await ended;
  return writers;
}

Deno.test({
  name: `mount: killed under load, seed ${firstSeed}${reason && `: ${reason}`}`,
  ignore: reason !== "",
  async fn() {
    await using vault = await MountedVault.create();
    let verified = 0;
    for (let round = 0; round < rounds; round++) {
      const writers = await killUnderLoad(vault, round, firstSeed + round);
      // Whichever of the two opens it first takes the intent log over.
      if (round % 4 === 3) await checkClosed(vault.path);
      await vault.mount();
      for (const writer of writers) verified += writer.verify();
      if (round > 0) await vault.ok(`rm -r ${round - 1}-*`);
    }
    await vault.unmount();
    await checkClosed(vault.path);
    await vault.mount();
    assert.ok(verified > rounds, `${verified} acknowledged files were verified`);
  },
});
