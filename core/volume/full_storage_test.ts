/** A storage below that others fill up while data waits in memory. */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { fixedKeys } from "../../tests/support/keyed_vault.ts";
import { createKernel } from "../../wasm/kernel.ts";
import { CELL_BYTES, GIB, MIB } from "../limits.ts";
import type { DirectAccess, StorageBackend } from "../storage/storage_backend.ts";
import { createVolume } from "./open_volume.ts";
import type { Volume } from "./volume.ts";

const text = new TextEncoder();

/** What others have left of the storage below, and what is kept of it. */
interface Below {
  free: number;
  kept: number;
}

function over(below: Below): StorageBackend {
  const inner = new MemoryStorage({});
  inner.direct.truncate(32 * MIB);
  const direct: DirectAccess = {
    ...inner.direct,
    room: () => ({ freeBytes: below.free, totalBytes: 64 * GIB }),
    keptSpace: () => ({
      bytes: () => below.kept,
      resize(bytes) {
        if (bytes - below.kept > below.free) return false;
        below.free -= bytes - below.kept;
        below.kept = bytes;
        return true;
      },
    }),
  };
  const { name, capabilities, supportsSparse } = inner;
  return Object.assign(Object.create(inner), { name, capabilities, supportsSparse, direct });
}

interface World {
  readonly volume: Volume;
  /** What was known of the storage below is asked for again. */
  later(): void;
}

function make(below: Below): World {
  const runtime = new FakeRuntime();
  const kernel = createKernel({ memoryBytes: 16 * MIB });
  const options = { medium: over(below), kernel, runtime, keys: fixedKeys() };
  const shape = { members: [{ number: 0, segments: 8, segmentsMax: 4096 }], blockBytes: 16384 };
  const { volume } = createVolume(options, shape);
  volume.commitNow();
  return { volume, later: () => runtime.advance(1000) };
}

Deno.test("what waits in memory is kept free below, and what others take is refused before it is written", () => {
  const below = { free: 100 * MIB, kept: 0 };
  const { volume, later } = make(below);
  assert.ok(below.kept > 0, "there is something for the next root");
  for (let i = 0; i < 50; i++) {
    volume.admit(100, "write");
    volume.promise(100);
  }
  assert.ok(below.kept >= 5000 * CELL_BYTES);
  below.free = 0;
  later();
  assert.throws(() => volume.admit(2048, "write"), {
    errno: "ENOSPC",
    message: "Cannot store data: the storage that the vault lies on is full; make room there",
  });
  volume.admit(2, "delete");
  volume.tree.put(text.encode("a"), text.encode("1"));
  volume.commitNow();
  volume.promise(-5000);
  volume.tree.put(text.encode("b"), text.encode("2"));
  volume.commitNow();
  assert.ok(below.free > 0, "what nothing waits for is let go");
});

Deno.test("where nothing is left below, a root is refused before it is begun, and succeeds later", () => {
  const below = { free: 100 * MIB, kept: 0 };
  const { volume, later } = make(below);
  volume.tree.put(text.encode("a"), text.encode("1"));
  [below.free, below.kept] = [0, 0];
  later();
  const full = { errno: "ENOSPC", message: /the storage that the vault lies on is full/ };
  assert.throws(() => volume.commitNow(), full);
  assert.throws(() => volume.sync(), full);
  below.free = 50 * MIB;
  later();
  volume.tree.put(text.encode("b"), text.encode("2"));
  volume.commitNow();
  assert.equal(volume.pendingBytes(), 0);
});

Deno.test("where there is plenty of room below, nothing is kept", () => {
  const below = { free: 40 * GIB, kept: 0 };
  const { volume } = make(below);
  volume.admit(2000, "write");
  assert.equal(below.kept, 0);
});
