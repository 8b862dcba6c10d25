import assert from "node:assert/strict";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { createKeyedVault, openKeyedVolume } from "../../tests/support/keyed_vault.ts";
import { RandomStream } from "../../tests/support/random_stream.ts";
import { pointOf } from "../../tests/support/remembered.ts";
import type { RootPoint } from "../format/root_memory.ts";
import { SESSIONS_MAX } from "../format/session_record.ts";
import { runCell } from "../format/space_record.ts";
import { CELL_BYTES, MIB } from "../limits.ts";
import type { OpenedVolume } from "./open_volume.ts";
import { type Relation, relationOf } from "./root_history.ts";

const arena = new ArenaKernel(16 * MIB);
const ROUNDS = 24;
const IMAGES_MAX = 6;

/** A medium, and the roots that led to what it holds: the last is its newest. */
interface Image {
  readonly content: SparseBytes;
  readonly history: readonly RootPoint[];
}

async function firstImage(): Promise<Image> {
  arena.reset();
  const medium = new MemoryStorage({});
  const { opened } = await createKeyedVault({ medium, kernel: arena });
  return { content: medium.content, history: [pointOf(opened.volume.store)] };
}

function open(content: SparseBytes, seed: number, readOnly = false): OpenedVolume {
  arena.reset();
  const medium = new MemoryStorage({ content, readOnly });
  return openKeyedVolume({ medium, kernel: arena, readOnly, runtime: new FakeRuntime(seed) });
}

/** A session of its own writes some roots on a copy. */
function written({ content, history }: Image, seed: number, roots: number): Image {
  const fork = content.fork();
  const { volume } = open(fork, seed);
  const seen = [...history];
  for (let i = 0; i < roots; i++) {
    volume.tree.put(new Uint8Array([250, i, 0, 0, 0, 0, 0]), new Uint8Array([seed % 256]));
    volume.commitNow();
    seen.push(pointOf(volume.store));
  }
  return { content: fork, history: seen };
}

/** The same where the newest root cannot be read any more: somebody goes on from the one before. */
function writtenWithoutNewest(image: Image, seed: number): Image {
  const fork = image.content.fork();
  const { volume } = open(fork, seed, true);
  const { root } = volume.store.inspect();
  assert.ok(root !== null);
  fork.write(runCell(root.runs[0]) * CELL_BYTES, new Uint8Array(64));
  return written({ content: fork, history: image.history.slice(0, -1) }, seed, 1);
}

function found({ content }: Image, seen: RootPoint): Relation {
  const { volume: { store } } = open(content, 1, true);
  const { root } = store.inspect();
  assert.ok(root !== null);
  return relationOf(seen, root, store.catalog);
}

function expected({ history }: Image, seen: RootPoint): Relation {
  const newest = history[history.length - 1];
  if (seen.hash === newest.hash) return "same";
  if (seen.sequence > newest.sequence) return "older";
  return history.some(({ hash }) => hash === seen.hash) ? "newer" : "forked";
}

Deno.test("root history: of any copies, however they were written, each tells what it came from", async () => {
  const stream = new RandomStream(7);
  const images = [await firstImage()];
  const met = new Map<Relation, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const from = images[stream.below(images.length)];
    const seed = 100 + round;
    const damages = stream.chance(0.25) && from.history.length > 1;
    const next = damages
      ? writtenWithoutNewest(from, seed)
      : written(from, seed, 1 + stream.below(3));
    if (images.length < IMAGES_MAX) images.push(next);
    else images[stream.below(IMAGES_MAX)] = next;
    for (const { history } of images) {
      const seen = history[stream.below(history.length)];
      for (const image of images) {
        const relation = found(image, seen);
        assert.equal(relation, expected(image, seen), `root ${seen.sequence}, round ${round}`);
        met.set(relation, (met.get(relation) ?? 0) + 1);
      }
    }
  }
  for (const relation of ["same", "newer", "older", "forked"] as const) {
    assert.ok((met.get(relation) ?? 0) > 10, `${relation} was met`);
  }
});

Deno.test("root history: a machine that goes on twice from one session is told apart where the sessions end", async () => {
  const image = await firstImage();
  const one = written(image, 5, 3);
  const other = written(image, 5, 2);
  const [seen] = one.history.slice(-2);
  assert.deepEqual(seen.session, other.history[other.history.length - 1].session);
  const different = { ...seen, hash: new Uint8Array(32) };
  assert.equal(found(other, different), "forked");
  assert.equal(found(written(other, 6, 4), different), "forked");
});

Deno.test("root history: the oldest sessions are forgotten, and what they wrote cannot be told", async () => {
  const image = await firstImage();
  const [first] = image.history;
  const { volume: { store } } = open(image.content.fork(), 2);
  const { catalog } = store;
  const session = { id: new Uint8Array(16), baseHash: new Uint8Array(32) };
  const from = store.blocks.birth;
  for (let i = 1; i <= SESSIONS_MAX; i++) {
    catalog.addSession({ ...session, first: from + 2 * i, base: from + 2 * i - 1 });
  }
  let kept = 0;
  for (let next = catalog.sessionFrom(0); next !== null; kept++) {
    next = catalog.sessionFrom(next.first + 1);
  }
  assert.equal(kept, SESSIONS_MAX);
  const { root } = store.inspect();
  assert.ok(root !== null);
  const record = { ...root.record, sequence: from + 2 * SESSIONS_MAX };
  const relation = (seen: RootPoint) => relationOf(seen, { ...root, record }, catalog);
  assert.equal(relation(first), "unknown");
  const oldest = catalog.sessionFrom(0);
  assert.ok(oldest !== null);
  assert.equal(relation({ ...first, sequence: oldest.base }), "forked");
  assert.equal(
    relation({ ...first, sequence: oldest.base, hash: oldest.baseHash.slice() }),
    "newer",
  );
});
