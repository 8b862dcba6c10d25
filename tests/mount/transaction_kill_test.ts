/**
 * A mount whose process is killed at any moment inside, around and after the transaction of a mount: it is there as a
 * whole or not at all. SIGMAVAULT_KILL_ROUNDS (default 20) says how often.
 */
import assert from "node:assert/strict";
import { whyNoMount } from "../support/mounted_driver.ts";
import { MountedVault } from "../support/mounted_vault.ts";
import { RandomStream } from "../support/random_stream.ts";

const reason = whyNoMount();
const rounds = Number(Deno.env.get("SIGMAVAULT_KILL_ROUNDS") ?? 20);
const seed = Number(Deno.env.get("SIGMAVAULT_KILL_SEED") ?? Math.floor(Math.random() * 1e9));
const FILES = 40;

/** Rewrites all files inside a transaction, and syncs some; the number of the round is their content. */
const rewrite = (round: number) =>
  `i=0; while [ $i -lt ${FILES} ]; do printf '%0${500 + 200 * (round % 40)}d' ${round} > f$i
    [ $((i % 7)) -ne 0 ] || sync f$i; i=$((i + 1)); done; rm -f only-*; : > only-${round}`;

/** What round the files are of; they are all of one. */
async function roundOf(vault: MountedVault): Promise<number> {
  const contents = new Set<number>();
  for (let i = 0; i < FILES; i++) {
    contents.add(Number(await Deno.readTextFile(`${vault.mountpoint}/f${i}`)));
  }
  assert.equal(contents.size, 1, `files of the rounds ${[...contents]}`);
  const [round] = contents;
  const names = [...Deno.readDirSync(vault.mountpoint)].map(({ name }) => name);
  assert.equal(names.length, FILES + 1);
  assert.ok(names.includes(`only-${round}`));
  return round;
}

/** Kills the mount when so much of a transaction has been done; whether its commit had been acknowledged. */
async function killInside(vault: MountedVault, round: number, random: RandomStream) {
  await vault.control("begin");
  const stopAt = random.below(4);
  const writing = vault.ok(rewrite(round)).catch(() => "");
  if (stopAt === 0) {
    await vault.kill();
    await writing;
    return false;
  }
  await writing;
  if (stopAt === 1) {
    await vault.kill();
    return false;
  }
  // 2: killed while it commits, at the mercy of the scheduler; 3: after it has.
  const committing = vault.control("commit").then(() => true, () => false);
  if (stopAt === 3) await committing;
  await vault.kill();
  return await committing;
}

Deno.test({
  name: `mount: killed around transactions, seed ${seed}${reason && `: ${reason}`}`,
  ignore: reason !== "",
  async fn() {
    await using vault = await MountedVault.create();
    const random = new RandomStream(seed);
    await vault.ok(`${rewrite(1)}; sync .`);
    let last = 1;
    let kept = 0;
    for (let round = 2; round < 2 + rounds; round++) {
      const acknowledged = await killInside(vault, round, random);
      await vault.mount();
      const found = await roundOf(vault);
      assert.ok(found === round || (found === last && !acknowledged), `${found} after ${last}`);
      if (found === round) kept++;
      last = found;
    }
    assert.ok(rounds < 20 || (kept > 0 && kept < rounds), `${kept} of ${rounds} were kept`);
    const { problems } = await vault.control("check") as { problems: unknown[] };
    assert.deepEqual(problems, []);
  },
});
