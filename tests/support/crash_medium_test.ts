import assert from "node:assert/strict";
import { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { type CrashImage, CrashLog, SECTOR_BYTES } from "./crash_log.ts";
import { CrashMedium } from "./crash_medium.ts";

const sector = (value: number, count = 1) => new Uint8Array(SECTOR_BYTES * count).fill(value);

/** The first byte of every sector of an image, for example `"1.2"`; past the end nothing. */
function show(image: CrashImage<string>, member = 0): string {
  const content = image.contents[member];
  let text = "";
  for (let at = 0; at < content.length; at += SECTOR_BYTES) {
    const byte = new Uint8Array(1);
    content.read(at, byte);
    text += byte[0] === 0 ? "." : String(byte[0]);
  }
  return text;
}

Deno.test("crash medium: what was synced is in every later image, and so is its mark", async () => {
  const medium = new CrashMedium();
  await medium.write(0, sector(1, 2));
  await medium.sync();
  medium.mark("first");
  await medium.write(SECTOR_BYTES * 2, sector(2, 2));
  await medium.write(SECTOR_BYTES * 4, sector(3));
  let marked = 0;
  for (const image of medium.images(1)) {
    if (image.mark !== "first") continue;
    marked++;
    assert.match(show(image), /^11/, image.description);
  }
  assert.ok(marked >= 5, `${marked} images after the mark`);
});

Deno.test("crash medium: unsynced writes are lost, torn, reordered", async () => {
  const medium = new CrashMedium();
  await medium.write(0, sector(9, 6));
  await medium.sync();
  await medium.write(0, sector(1, 2));
  await medium.write(SECTOR_BYTES * 2, sector(2, 2));
  await medium.write(SECTOR_BYTES * 4, sector(3, 2));
  const seen = new Set<string>();
  for (const image of medium.images(7, { points: [5, 6], randomPerPoint: 40 })) {
    seen.add(show(image));
  }
  for (const expected of ["112233", "992233", "119933", "999933", "112239"]) {
    assert.ok(seen.has(expected), `${expected} in ${[...seen].join(" ")}`);
  }
  assert.ok([...seen].some((text) => /^(19|91)/.test(text)), "an earlier write is torn, too");
  for (const text of seen) assert.match(text, /^[19]{2}[29]{2}[39]{2}$/);
});

Deno.test("crash medium: between sync and the next change there is one image", async () => {
  const medium = new CrashMedium();
  await medium.write(0, sector(1));
  await medium.sync();
  const images = [...medium.images(1, { points: [2, 3] })];
  assert.deepEqual(images.map((image) => show(image)), ["1"]);
});

Deno.test("crash medium: a mark with unsynced changes sees them lost", async () => {
  const medium = new CrashMedium();
  await medium.write(0, sector(1));
  medium.mark("promised too early");
  const images = [...medium.images(1, { points: [2, 3] })].map((image) => show(image));
  assert.ok(images.includes(""), "the write is lost in one image");
  assert.ok(images.includes("1"), "and there in another");
});

Deno.test("crash medium: truncates and discards are lost or there", async () => {
  const medium = new CrashMedium();
  await medium.write(0, sector(1, 4));
  await medium.sync();
  await medium.discard(0, SECTOR_BYTES);
  await medium.truncate(SECTOR_BYTES * 2);
  const images = medium.images(1, { points: [4, 5], randomPerPoint: 40 });
  const seen = new Set([...images].map((image) => show(image)));
  assert.deepEqual([...seen].sort(), [".1", ".111", "11", "1111"]);
});

Deno.test("crash medium: media that share a log crash together, each with its own syncs", async () => {
  const log = new CrashLog();
  const [a, b] = [new CrashMedium({ log }), new CrashMedium({ log })];
  await a.write(0, sector(1));
  await b.write(0, sector(2));
  await b.sync();
  const seen = new Set<string>();
  for (const image of log.images(1, { points: [3, 4] })) {
    seen.add(`${show(image, 0)}|${show(image, 1)}`);
    assert.equal(await image.open(1).size(), SECTOR_BYTES);
  }
  assert.deepEqual([...seen].sort(), ["1|2", "|2"]);
});

Deno.test("crash medium: the same seed gives the same images, another seed others", async () => {
  const medium = new CrashMedium();
  for (let i = 0; i < 12; i++) await medium.write(i * SECTOR_BYTES * 2, sector(i % 9 + 1, 2));
  const all = (seed: number) => [...medium.images(seed)].map((image) => show(image)).join("\n");
  assert.equal(all(3), all(3));
  assert.notEqual(all(3), all(4));
});

Deno.test("crash medium: an image can be written without touching the others", async () => {
  const medium = new CrashMedium();
  await medium.write(0, sector(1));
  await medium.sync();
  const [image] = medium.images(1, { points: [2, 3] });
  await image.open().write(0, sector(5));
  assert.equal(show(image), "1");
  assert.deepEqual(await medium.read(0, 1), new Uint8Array([1]));
});

Deno.test("crash medium: the content it starts with is durable, and copies are taken", async () => {
  const content = new SparseBytes();
  content.write(0, sector(4));
  const medium = new CrashMedium({ content });
  const buffer = sector(6);
  await medium.write(SECTOR_BYTES, buffer);
  buffer.fill(8);
  const images = [...medium.images(1)].map((image) => show(image));
  assert.equal(images[0], "4");
  assert.ok(images.includes("46"));
  assert.ok(!images.some((text) => text.includes("8")));
});
