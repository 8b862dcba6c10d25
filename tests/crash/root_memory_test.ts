/**
 * What a device remembers, under power cuts: no state in which one can leave the medium, with whatever the device had noted
 * by then or earlier, is taken for one that went back in time.
 */
import assert from "node:assert/strict";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import type { RootPoint } from "../../core/format/root_memory.ts";
import { MIB } from "../../core/limits.ts";
import { relationOf } from "../../core/volume/root_history.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { EngineWorkload } from "../support/engine_workload.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import { createKeyedVault, openKeyedVolume } from "../support/keyed_vault.ts";
import { pointOf } from "../support/remembered.ts";

const SESSIONS = 4;
const GROUPS = 40;
const arena = new ArenaKernel(16 * MIB);

/** A root that could be noted from some crash point on. */
interface Noted {
  readonly point: number;
  readonly root: RootPoint;
}

interface Recording {
  readonly medium: CrashMedium<number>;
  readonly noted: readonly Noted[];
}

async function emptyVault(): Promise<SparseBytes> {
  arena.reset();
  const medium = new MemoryStorage({});
  await createKeyedVault({ medium, kernel: arena }, { segments: 4, segmentsMax: 8 });
  return medium.content;
}

/** Sessions that end without closing; each notes every root the moment it is durable. */
async function record(seed: number): Promise<Recording> {
  const medium = new CrashMedium<number>({ content: await emptyVault() });
  const noted: Noted[] = [];
  for (let session = 0; session < SESSIONS; session++) {
    arena.reset();
    const runtime = new FakeRuntime(100 * seed + session);
    const opened = openKeyedVolume({ medium, kernel: arena, runtime });
    const { engine, store } = opened.volume;
    const note = () => {
      // With a mark, the images of this point have one in which nothing arrived that was not synced.
      medium.mark(session);
      noted.push({ point: medium.log.length, root: pointOf(store) });
    };
    note();
    engine.onRoot = note;
    await new EngineWorkload({ opened }, seed + session, () => {}).run(GROUPS);
  }
  return { medium, noted };
}

/** How what was noted by `point` relates to what an image holds: before it recovers, and after. */
function assertNoAlarm(content: SparseBytes, noted: readonly Noted[], point: number): void {
  for (const readOnly of [true, false]) {
    arena.reset();
    const medium = new MemoryStorage({ content, readOnly });
    const runtime = new FakeRuntime(9000 + point);
    const { volume: { store } } = openKeyedVolume({ medium, kernel: arena, readOnly, runtime });
    const { root } = store.inspect();
    assert.ok(root !== null);
    for (const seen of noted) {
      if (seen.point > point) break;
      const relation = relationOf(seen.root, root, store.catalog);
      assert.ok(relation === "same" || relation === "newer", `${seen.root.sequence}: ${relation}`);
    }
  }
}

for (const seed of [1, 2]) {
  Deno.test(`root memory: no power cut of workload ${seed} makes a false alarm`, async () => {
    const { medium, noted } = await record(seed);
    assert.ok(noted.length > 3 * SESSIONS);
    let images = 0;
    for (const image of medium.images(seed, { randomPerPoint: 1, missingMax: 1 })) {
      const isNoted = noted.some(({ point }) => point === image.point);
      if (++images % 5 !== 0 && !isNoted) continue;
      try {
        assertNoAlarm(image.contents[0], noted, image.point);
      } catch (error) {
        throw new Error(`point ${image.point}, ${image.description}: ${error}`, { cause: error });
      }
    }
    assert.ok(images > 500);
  });
}
