import assert from "node:assert/strict";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { FAST_KDF, memoryPlatform, text } from "../../tests/support/header_world.ts";
import {
  differingSegments,
  HIDDEN,
  HIDDEN_SEGMENTS,
  hide,
  openWith,
  OUTER,
  OUTER_SEGMENTS,
  outerImage,
  partsOver,
  placeOf,
  segmentsOf,
} from "../../tests/support/hidden_world.ts";
import { RandomStream } from "../../tests/support/random_stream.ts";
import { VaultError } from "../errors.ts";
import { LOG_CHUNK_CELLS } from "../format/log_record.ts";
import { MIB, SEGMENT_BYTES } from "../limits.ts";
import { addSlot, changeSlot } from "../volume/header_slots.ts";
import { checkVault } from "./check.ts";
import { createHiddenVault } from "./hidden_vault.ts";
import { resizeVault } from "./resize.ts";
import { createVault, type Vault } from "./vault.ts";

/** Bytes that differ from file to file. */
function content(seed: number, length = 2 * MIB): Uint8Array {
  const bytes = new Uint8Array(length);
  new RandomStream(seed).fill(bytes);
  return bytes;
}

/** An outer vault with a hidden one in it, which holds `files` files. */
async function world(files = 5): Promise<SparseBytes> {
  const medium = new MemoryStorage({ content: await outerImage() });
  await using vault = await hide(medium);
  for (let i = 0; i < files; i++) await vault.files.writeFile(`/${i}`, content(i));
  return medium.content;
}

function over(image: SparseBytes): MemoryStorage {
  return new MemoryStorage({ content: image });
}

async function assertHiddenWhole(image: SparseBytes, files = 5): Promise<void> {
  await using vault = await openWith(over(image), HIDDEN);
  assert.deepEqual((await checkVault(vault)).problems, []);
  for (let i = 0; i < files; i++) {
    assert.deepEqual(await vault.files.readFile(`/${i}`), content(i));
  }
}

/** Writes files until the vault is full; returns how many. */
async function fill(vault: Vault): Promise<number> {
  for (let i = 0;; i++) {
    try {
      await vault.files.writeFile(`/fill-${i}`, content(1000 + i, MIB));
    } catch (error) {
      assert.ok(error instanceof VaultError && error.errno === "ENOSPC", String(error));
      return i;
    }
  }
}

Deno.test("hidden: each secret opens its own vault, any other none", async () => {
  const image = await world();
  await assertHiddenWhole(image);
  await using outer = await openWith(over(image), OUTER);
  assert.deepEqual((await outer.files.readFile("/outer")).length, 3 * MIB);
  assert.deepEqual((await checkVault(outer)).problems, []);
  await assert.rejects(openWith(over(image), { passphrase: text("wrong") }), {
    kind: "denied",
    message: /wrong passphrase or not a vault$/,
  });
});

Deno.test("hidden: making it and writing to it touches its own segments only", async () => {
  const before = await outerImage();
  const medium = over(before.fork());
  await using vault = await hide(medium);
  await vault.files.writeFile("/a", content(1, 9 * MIB));
  await vault.close();
  const own = segmentsOf(await placeOf(over(medium.content)));
  assert.equal(own.size, HIDDEN_SEGMENTS + 2);
  const differing = differingSegments(before, medium.content);
  assert.ok(differing.length >= 5, "it was written");
  for (const segment of differing) assert.ok(own.has(segment), `segment ${segment} is its own`);
});

Deno.test("hidden: the outer vault, protecting, writes what it would write without a hidden one", async () => {
  const plain = await outerImage();
  const image = await world();
  const protect = await placeOf(over(image));
  const own = segmentsOf(protect);
  for (const [target, options] of [[plain, {}], [image, { protect }]] as const) {
    await using vault = await openWith(over(target), OUTER, { ...options, seed: 9 });
    for (let i = 0; i < 16; i++) await vault.files.writeFile(`/${i}`, content(i));
    for (let i = 0; i < 16; i += 2) await vault.files.remove(`/${i}`);
    await vault.commit();
    for (let i = 16; i < 20; i++) await vault.files.writeFile(`/${i}`, content(i));
  }
  for (const segment of differingSegments(plain, image)) {
    assert.ok(own.has(segment), `segment ${segment} tells that there is a hidden vault`);
  }
  await assertHiddenWhole(image);
});

Deno.test("hidden: protected from an outer vault that is filled, emptied and filled again", async () => {
  const image = await world();
  const protect = await placeOf(over(image));
  const kept = segmentsOf(protect);
  {
    await using outer = await openWith(over(image), OUTER, { protect });
    const count = await fill(outer);
    const { space } = outer.opened.volume.store;
    for (const segment of kept) assert.ok(segment < 4 || space.isUnused(segment));
    // A log that had to make do with less would tell of a full vault with much that was never used.
    const { root } = outer.opened.volume.store.inspect();
    assert.equal(root!.record.logChunk.cells, LOG_CHUNK_CELLS);
    for (let i = 0; i < count; i++) await outer.files.remove(`/fill-${i}`);
    const again = await fill(outer);
    assert.ok(again >= count - 3, `${again} of ${count} fit again`);
    assert.deepEqual((await checkVault(outer)).problems, []);
  }
  await assertHiddenWhole(image);
});

Deno.test("hidden: written over without protection, it gives corrupt and never wrong bytes", async () => {
  const image = await world();
  {
    await using outer = await openWith(over(image), OUTER);
    await fill(outer);
  }
  let lost = 0;
  try {
    await using vault = await openWith(over(image), HIDDEN, { readOnly: true });
    for (let i = 0; i < 5; i++) {
      try {
        assert.deepEqual(await vault.files.readFile(`/${i}`), content(i));
      } catch (error) {
        assert.ok(error instanceof VaultError && error.kind === "corrupt", String(error));
        lost++;
      }
    }
  } catch (error) {
    assert.ok(error instanceof VaultError && error.kind === "corrupt", String(error));
    lost = 5;
  }
  assert.ok(lost > 0);
  const protect = await placeOf(over(image));
  await assert.rejects(openWith(over(image), OUTER, { protect }), {
    kind: "corrupt",
    message: /outer one has written over part of it/,
  });
});

Deno.test("hidden: opening takes the same derivations whichever vault opens, and where none is hidden", async () => {
  const plain = await outerImage();
  const image = await world();
  const count = async (target: SparseBytes, secret: typeof OUTER) => {
    const { deriveBits } = crypto.subtle;
    let runs = 0;
    crypto.subtle.deriveBits = function (...given) {
      runs++;
      return deriveBits.apply(this, given);
    };
    try {
      await (await openWith(over(target), secret, { readOnly: true })).close();
    } finally {
      crypto.subtle.deriveBits = deriveBits;
    }
    return runs;
  };
  const counts = [
    await count(plain, OUTER),
    await count(image, OUTER),
    await count(image, HIDDEN),
  ];
  assert.deepEqual(counts, [2, 2, 2]);
});

Deno.test("hidden: what cannot be hidden is refused and changes nothing", async () => {
  const image = await outerImage();
  const before = image.fork();
  await assert.rejects(hide(over(image), OUTER_SEGMENTS), { message: /room for \d+ MiB at most/ });
  await assert.rejects(hide(over(image), 3), { message: /want 16 MiB or more/ });
  const options = { outer: OUTER, outerProfiles: [FAST_KDF], kdf: FAST_KDF };
  const sized = { ...options, sizeBytes: HIDDEN_SEGMENTS * SEGMENT_BYTES };
  await assert.rejects(createHiddenVault(partsOver(over(image)), { ...sized, secret: OUTER }), {
    message: /its passphrase opens the outer vault/,
  });
  const readOnly = new MemoryStorage({ content: image, readOnly: true });
  await assert.rejects(hide(readOnly), { message: /cannot be overwritten/ });
  assert.deepEqual(differingSegments(before, image), []);

  const sparse = new MemoryStorage();
  await (await createVault(partsOver(sparse), { secret: OUTER, kdf: FAST_KDF })).close();
  await assert.rejects(hide(over(sparse.content)), { message: /only a dense one hides/ });
});

Deno.test("hidden: nothing but its own secret is about it", async () => {
  const image = await world();
  const protect = await placeOf(over(image));
  await assert.rejects(openWith(over(image), HIDDEN, { protect }), {
    message: /first secret opens the hidden vault itself/,
  });
  await assert.rejects(placeOf(over(image), OUTER), { message: /opens the outer vault/ });
  const inner = { outer: HIDDEN, outerProfiles: [FAST_KDF], secret: OUTER, kdf: FAST_KDF };
  const sizeBytes = 4 * SEGMENT_BYTES;
  await assert.rejects(createHiddenVault(partsOver(over(image)), { ...inner, sizeBytes }), {
    message: /opens a hidden vault/,
  });
  await using vault = await openWith(over(image), HIDDEN);
  const platform = memoryPlatform();
  await assert.rejects(addSlot({ ...vault.header, platform }, { mode: "device" }), {
    message: /would prove that there is a hidden vault/,
  });
  assert.equal(platform.secrets.size, 0);
  await assert.rejects(resizeVault(vault, 64 * SEGMENT_BYTES), { message: /keeps the size/ });
});

Deno.test("hidden: another passphrase for it keeps it where it is", async () => {
  const image = await world();
  {
    await using vault = await openWith(over(image), HIDDEN);
    const secret = { passphrase: text("second") };
    await addSlot(vault.header, { mode: "user", secret, kdf: FAST_KDF });
  }
  await using vault = await openWith(over(image), { passphrase: text("second") });
  assert.deepEqual(await vault.files.readFile("/0"), content(0));
});

Deno.test("hidden: resizing the outer vault is refused while protecting, and protecting after it", async () => {
  const image = await world();
  const protect = await placeOf(over(image));
  {
    await using outer = await openWith(over(image), OUTER, { protect });
    const larger = (OUTER_SEGMENTS + 4) * SEGMENT_BYTES;
    await assert.rejects(resizeVault(outer, larger), { message: /protects a hidden vault/ });
  }
  {
    await using outer = await openWith(over(image), OUTER);
    await resizeVault(outer, (OUTER_SEGMENTS + 4) * SEGMENT_BYTES);
  }
  await assert.rejects(openWith(over(image), OUTER, { protect }), {
    kind: "conflict",
    message: /has been resized since/,
  });
});

Deno.test("hidden: no passphrase leads to both vaults, whichever of them gets it later", async () => {
  const image = await world();
  const refused = { kind: "invalid", message: /opens another vault/ };
  for (const [own, other] of [[HIDDEN, OUTER], [OUTER, HIDDEN]]) {
    await using vault = await openWith(over(image), own);
    const slot = { mode: "user", secret: other, kdf: FAST_KDF } as const;
    const before = image.fork();
    await assert.rejects(addSlot(vault.header, slot), refused);
    await assert.rejects(changeSlot(vault.header, { slotIndex: 0, slot }), refused);
    assert.deepEqual(differingSegments(before, image), []);
  }
  await using vault = await openWith(over(image), HIDDEN);
  assert.deepEqual(await vault.files.readFile("/0"), content(0));
});

Deno.test("hidden: the outer vault's passphrase is refused, whatever it costs there", async () => {
  const medium = new MemoryStorage();
  const sizeBytes = OUTER_SEGMENTS * SEGMENT_BYTES;
  const outer = { secret: OUTER, kdf: "moderate", dense: true, sizeBytes } as const;
  await (await createVault(partsOver(medium), outer)).close();
  const inner = { outer: OUTER, secret: OUTER, kdf: "interactive" } as const;
  const hiding = createHiddenVault(partsOver(over(medium.content)), {
    ...inner,
    sizeBytes: HIDDEN_SEGMENTS * SEGMENT_BYTES,
  });
  await assert.rejects(hiding, { message: /its passphrase opens the outer vault/ });
});
