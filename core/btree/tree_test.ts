import assert from "node:assert/strict";
import fc from "fast-check";
import { setU64, viewOf } from "../bytes.ts";
import { checkNode, writeNodeHeader } from "../format/node.ts";
import { Page } from "./page.ts";
import type { PageSource } from "./page_source.ts";
import { Tree } from "./tree.ts";

/** Pages kept in a map; `store` writes all dirty ones as the medium would hold them. */
class MapPages implements PageSource {
  readonly pointerBytes = 8;
  readonly stored = new Map<number, Uint8Array<ArrayBuffer>>();
  readonly dirty = new Map<number, Page>();
  private next = 1;

  private ref(bytes: Uint8Array, at: number): number {
    return viewOf(bytes).getUint32(at, true);
  }
  load(bytes: Uint8Array, at: number): Page {
    return this.page(this.ref(bytes, at));
  }
  page(ref: number): Page {
    const dirty = this.dirty.get(ref);
    if (dirty !== undefined) return dirty;
    const bytes = this.stored.get(ref);
    assert(bytes !== undefined, `page ${ref} exists`);
    return new Page(bytes.slice(), ref, bytes[5], false);
  }
  resident(bytes: Uint8Array, at: number): Page | undefined {
    return this.load(bytes, at);
  }
  create(level: number): Page {
    const page = Page.empty(this.next++, level);
    this.dirty.set(page.ref, page);
    return page;
  }
  makeWritable(page: Page): Page {
    this.stored.delete(page.ref);
    page.makeWritable(this.next++);
    this.dirty.set(page.ref, page);
    return page;
  }
  discard(page: Page): void {
    this.dirty.delete(page.ref);
    this.stored.delete(page.ref);
  }
  writePointer(page: Page, bytes: Uint8Array, at: number): void {
    setU64(viewOf(bytes), at, page.ref);
  }
  store(): void {
    for (const page of this.dirty.values()) {
      page.pack();
      writeNodeHeader(page.bytes, {
        tree: 1,
        level: page.level,
        cells: page.cells(),
        id: page.ref,
        birth: 1,
      });
      checkNode(page.bytes);
      this.stored.set(page.ref, page.bytes.slice());
      page.dirty = false;
    }
    this.dirty.clear();
  }
}

const text = new TextEncoder();
const keyOf = (n: number) => text.encode(n.toString(36).padStart(3 + (n % 7), "0"));
const asText = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function contents(tree: Tree): [string, number][] {
  const all: [string, number][] = [];
  tree.scan(new Uint8Array(0), (key, value) => {
    all.push([asText(key), value.length]);
    return true;
  });
  return all;
}

const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ put: fc.nat(400), size: fc.oneof(fc.nat(60), fc.nat(4096)) }),
  },
  { weight: 4, arbitrary: fc.record({ delete: fc.nat(400) }) },
  { weight: 1, arbitrary: fc.constant({ store: true as const }) },
  { weight: 1, arbitrary: fc.record({ floor: fc.nat(400) }) },
);

Deno.test("tree equals a sorted map, through any changes and stores", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 400, size: "max" }), (actions) => {
      const pages = new MapPages();
      let tree = new Tree(pages);
      const model = new Map<string, number>();
      for (const step of actions) {
        if ("put" in step) {
          tree.put(keyOf(step.put), new Uint8Array(step.size));
          model.set(asText(keyOf(step.put)), step.size);
        } else if ("delete" in step) {
          assert.equal(tree.delete(keyOf(step.delete)), model.delete(asText(keyOf(step.delete))));
        } else if ("floor" in step) {
          const wanted = [...model.keys()].filter((k) => k <= asText(keyOf(step.floor))).sort().at(
            -1,
          );
          let got: string | undefined;
          tree.floor(keyOf(step.floor), (key) => got = asText(key));
          assert.equal(got, wanted);
        } else {
          pages.store();
          tree = new Tree(pages, pages.page(tree.root.ref));
        }
      }
      assert.deepEqual(contents(tree), [...model].sort(([a], [b]) => a < b ? -1 : 1));
      for (const [key, size] of model) assert.equal(tree.get(text.encode(key))?.length, size);
    }),
    { numRuns: 150 },
  );
});

Deno.test("tree gives every page back when it is emptied", () => {
  const pages = new MapPages();
  const tree = new Tree(pages);
  for (let i = 0; i < 5000; i++) tree.put(keyOf((i * 7919) % 5000), new Uint8Array(50));
  pages.store();
  for (let i = 0; i < 5000; i++) assert(tree.delete(keyOf(i)));
  pages.store();
  assert.equal(pages.stored.size, 1);
  assert.deepEqual(contents(tree), []);
});

Deno.test("ascending inserts leave full pages behind", () => {
  const pages = new MapPages();
  const tree = new Tree(pages);
  const key = new Uint8Array(8);
  for (let i = 0; i < 20000; i++) {
    viewOf(key).setUint32(4, i);
    tree.put(key, new Uint8Array(72));
  }
  pages.store();
  const leaves = [...pages.stored.values()].filter((bytes) => bytes[5] === 0).length;
  assert(leaves <= Math.ceil(20000 / 190), `${leaves} leaves`);
});

Deno.test("a large record before the first of a full page gets a page of its own", () => {
  const pages = new MapPages();
  const tree = new Tree(pages);
  for (let i = 0; i < 10; i++) tree.put(text.encode(`b${10 + i}`), new Uint8Array(398));
  for (let i = 0; i < 3; i++) tree.put(text.encode(`c${i}`), new Uint8Array(4055));
  tree.put(text.encode("a".repeat(60)), new Uint8Array(4096));
  const seen: string[] = [];
  tree.scan(new Uint8Array(0), (key) => seen.push(asText(key)) > 0);
  assert.equal(seen.length, 14);
  assert.deepEqual(seen, [...seen].sort());
  assert.equal(tree.get(text.encode("a".repeat(60)))?.length, 4096);
  pages.store();
});
