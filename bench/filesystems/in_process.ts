/**
 * What the library does in one process, without a mount: prints JSON in µs, medians of rounds.
 *
 *     deno run -A bench/filesystems/in_process.ts DIRECTORY
 *
 * @module
 */
import { createVault, type Vault } from "../../mod.ts";
import { emptyAttributes, named, ROOT } from "../../tests/support/open_memory_volume.ts";
import { median, type OwnRowName } from "./rows.ts";

const FILES = 1000;
const ROUNDS = 15;
const SMALL_CHANGES = 200;
const SMALL_TRANSACTIONS = 50;
const CONTENT = new TextEncoder().encode("a small record of a hundred bytes ".padEnd(100, "x"));

/** Microseconds of one step, the median of rounds; the first warms up. */
async function timed(steps: number, step: (i: number) => void | Promise<void>): Promise<number> {
  const rounds: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const start = performance.now();
    for (let i = 0; i < steps; i++) {
      const waiting = step(i);
      if (waiting !== undefined) await waiting;
    }
    if (round > 0) rounds.push((performance.now() - start) * 1000 / steps);
  }
  return median(rounds);
}

async function lookup(vault: Vault): Promise<number> {
  await vault.files.makeDirectory("/d");
  const names = Array.from({ length: FILES }, (_, i) => `f${i}`);
  for (const name of names) await vault.files.writeFile(`/d/${name}`, CONTENT);
  const bytes = names.map(named);
  const out = emptyAttributes();
  const { fileSystem } = vault;
  fileSystem.lookup(1, named("d"), out);
  const parent = out.ino;
  return await timed(FILES, (i) => void fileSystem.lookup(parent, bytes[i], out));
}

/** An empty file with an attribute of 100 bytes, mknod and setxattr: two groups of mutations, seen by all, not yet durable. */
async function visible(vault: Vault): Promise<number> {
  const { fileSystem } = vault;
  const out = emptyAttributes();
  let made = 0;
  return await timed(SMALL_CHANGES, () => {
    fileSystem.mknod(
      ROOT,
      { parent: 1, name: named(`v${made++}`) },
      { mode: 0o100644, rdev: 0 },
      out,
    );
    fileSystem.setxattr(out.ino, named("user.note"), CONTENT, 0);
  });
}

/** A file of 100 bytes in a transaction, which is durable when it resolves. */
async function durable(vault: Vault): Promise<number> {
  let made = 0;
  return await timed(SMALL_TRANSACTIONS, async () => {
    await vault.transaction(async (files) => await files.writeFile(`/t${made++}`, CONTENT));
  });
}

/** Measures on a vault in a directory. */
export async function inProcess(directory: string): Promise<Record<OwnRowName, number>> {
  const medium = `${directory}/in_process`;
  await using vault = await createVault({ medium, passphrase: "correct horse battery staple" });
  return {
    lookup: await lookup(vault),
    visible: await visible(vault),
    durable: await durable(vault),
  };
}

if (import.meta.main) {
  console.log(JSON.stringify(await inProcess(Deno.args[0])));
  Deno.exit(0);
}
