/** A vault on media that come, go, come back outdated and are replaced: its files are what a plain map says. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { MemoryStorage } from "../../backends/memory/store.ts";
import { bearsLoss } from "../../core/block/spread.ts";
import type { Redundancy } from "../../core/format/redundancy.ts";
import { checkVault } from "../../core/vault/check.ts";
import {
  addMember,
  removeMember,
  replaceMember,
  resilver,
  spreadBlocks,
} from "../../core/vault/member_changes.ts";
import { listMembers } from "../../core/vault/member_status.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { copies, fill, fresh, kdf, made, opened, secret } from "../support/member_world.ts";
import { RandomStream } from "../support/random_stream.ts";

const STEPS = 14;
const FILES = 8;
const MEMBERS_MAX = 5;
const access = { secret, profiles: [kdf] };

class World {
  private readonly stream: RandomStream;
  private readonly redundancy: Redundancy;
  private readonly files = new Map<string, { seed: number; length: number }>();
  private vault!: Vault;
  /** A member that is out of the vault: its number and medium. */
  private shelf: { readonly number: number; readonly medium: MemoryStorage } | null = null;

  constructor(seed: number, redundancy: Redundancy) {
    this.stream = new RandomStream(seed);
    this.redundancy = redundancy;
  }

  async run(members: number): Promise<void> {
    this.vault = await made(fresh(members), this.redundancy);
    for (let step = 0; step < STEPS; step++) {
      await this.change();
      await this.moveMedia();
      await this.checkFiles();
    }
    await this.settle();
    await this.vault.close();
  }

  private async change(): Promise<void> {
    for (let i = this.stream.below(3); i >= 0; i--) {
      const name = `/${this.stream.below(FILES)}`;
      if (this.stream.chance(0.2)) {
        if (this.files.delete(name)) await this.vault.files.remove(name);
        continue;
      }
      const file = { seed: this.stream.below(250), length: this.stream.below(150_000) };
      await this.vault.files.writeFile(name, fill(file.seed, file.length));
      this.files.set(name, file);
    }
    const durable = this.stream.below(4);
    if (durable === 0) await this.vault.commit();
    else if (durable === 1) await this.vault.files.sync();
  }

  private async moveMedia(): Promise<void> {
    const numbers = listMembers(this.vault).map(({ number }) => number);
    const one = numbers[this.stream.below(numbers.length)];
    const action = this.stream.below(7);
    if (this.shelf !== null) {
      if (action < 2) await this.bringBack();
      else if (action === 2) await this.replace();
      else if (action === 3) await this.reopen();
    } else if (action === 0 && numbers.length < MEMBERS_MAX) await this.add();
    else if (action === 1 && numbers.length > 2) await removeMember(this.vault, one);
    else if (action === 2) await replaceMember(this.vault, one, this.fresh());
    else if (action < 5) await this.lose(one);
    else if (action === 5) await this.reopen();
  }

  private fresh() {
    return { ...access, medium: fresh(1, this.stream.below(1000))[0] };
  }

  private async add(): Promise<void> {
    await addMember(this.vault, this.fresh());
    if (this.stream.chance(0.5)) await spreadBlocks(this.vault);
  }

  /** What every medium holds when the vault is closed. */
  private async closed(): Promise<Map<number, MemoryStorage>> {
    const { media } = this.vault.opened.volume.engine;
    const all = new Map(media.numbers.map((number) => [number, media.medium(number)!]));
    await this.vault.close();
    const open = (each: unknown) => copies([each as MemoryStorage])[0];
    return new Map([...all].map(([number, medium]) => [number, open(medium)]));
  }

  private async open(media: readonly MemoryStorage[]): Promise<void> {
    const shuffled = media.toSorted(() => this.stream.below(3) - 1);
    this.vault = await opened(shuffled, { acceptMissing: true });
    assert.equal(this.vault.readOnly, false);
  }

  private async reopen(): Promise<void> {
    await this.open([...(await this.closed()).values()]);
  }

  private async lose(number: number): Promise<void> {
    await this.vault.commit();
    if ((await checkVault(this.vault)).uncovered > 0) return;
    const media = await this.closed();
    this.shelf = { number, medium: media.get(number)! };
    media.delete(number);
    await this.open([...media.values()]);
  }

  private async bringBack(): Promise<void> {
    const { number, medium } = this.shelf!;
    this.shelf = null;
    await this.open([...(await this.closed()).values(), medium]);
    const states = listMembers(this.vault);
    assert.equal(states.find((each) => each.number === number)?.state, "stale");
    const { lost } = await resilver(this.vault, number);
    assert.equal(lost, 0);
  }

  private async replace(): Promise<void> {
    const { number } = this.shelf!;
    this.shelf = null;
    await replaceMember(this.vault, number, this.fresh());
  }

  private async checkFiles(): Promise<void> {
    for (const [name, { seed, length }] of this.files) {
      assert.deepEqual(await this.vault.files.readFile(name), fill(seed, length), name);
    }
  }

  /** Everything is in place again: then nothing is wrong, and any member may be lost. */
  private async settle(): Promise<void> {
    if (this.shelf !== null) await this.bringBack();
    await spreadBlocks(this.vault);
    await this.reopen();
    await this.checkFiles();
    const { problems, uncovered } = await checkVault(this.vault);
    assert.deepEqual(problems, []);
    const members = listMembers(this.vault).length;
    if (bearsLoss(this.redundancy, members)) assert.equal(uncovered, 0);
  }
}

Deno.test("members: whatever media do, the files are what was written", async () => {
  const shapes = [[1, 1, 2], [1, 2, 3], [2, 1, 3], [4, 2, 3]];
  await fc.assert(
    fc.asyncProperty(fc.nat(2 ** 31), fc.constantFrom(...shapes), async (seed, [k, m, members]) => {
      await new World(seed, { k, m }).run(members);
    }),
    { numRuns: Number(Deno.env.get("SIGMAVAULT_MEMBER_RUNS") ?? 12) },
  );
});
