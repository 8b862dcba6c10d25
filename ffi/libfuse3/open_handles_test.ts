import assert from "node:assert/strict";
import { OpenHandles } from "./open_handles.ts";

const O_RDONLY = 0;
const O_WRONLY = 1;
const O_RDWR = 2;

Deno.test("handles opened before a rollback are stale where the rollback says so, until they are closed", () => {
  const handles = new OpenHandles();
  const first = handles.opened(7, O_RDONLY);
  const second = handles.opened(7, O_WRONLY);
  const other = handles.opened(8, O_RDONLY);
  assert.equal(handles.anyStale, false);
  handles.rolledBack([{ ino: 7, opens: 2 }]);
  const after = handles.opened(7, O_RDONLY);
  const isStale = [first, second, after].map((handle) => handles.isStale(7, handle));
  assert.deepEqual(isStale, [true, true, false]);
  assert.equal(handles.isStale(8, other), false);
  handles.released(7, O_RDONLY, after);
  handles.released(7, O_RDONLY, first);
  assert.equal(handles.isStale(7, second), true);
  handles.released(7, O_WRONLY, second);
  assert.equal(handles.anyStale, false);
});

Deno.test("a second rollback makes stale what was opened since the first", () => {
  const handles = new OpenHandles();
  const first = handles.opened(7, O_RDONLY);
  handles.rolledBack([{ ino: 7, opens: 1 }]);
  const second = handles.opened(7, O_RDONLY);
  handles.rolledBack([{ ino: 7, opens: 2 }]);
  assert.deepEqual([first, second].map((handle) => handles.isStale(7, handle)), [true, true]);
  handles.released(7, O_RDONLY, first);
  handles.released(7, O_RDONLY, second);
  assert.equal(handles.anyStale, false);
});

Deno.test("until the kernel has forgotten its pages, whoever writes them writes what was rolled back", () => {
  const handles = new OpenHandles();
  handles.opened(7, O_RDWR);
  handles.rolledBack([{ ino: 7, opens: 1 }]);
  handles.opened(7, O_RDWR);
  assert.deepEqual([7, 8].map((ino) => handles.hasPagesOfBefore(ino)), [true, false]);
  handles.pagesAreGone();
  assert.equal(handles.hasPagesOfBefore(7), false);
});

Deno.test("what is open for reading and writing may be mapped for writing", () => {
  const handles = new OpenHandles();
  handles.opened(1, O_RDONLY);
  handles.opened(2, O_WRONLY);
  handles.opened(3, O_RDWR);
  handles.opened(3, O_RDWR);
  assert.deepEqual(handles.mappable, [3]);
  handles.released(3, O_RDWR, 0);
  assert.deepEqual(handles.mappable, [3]);
  handles.released(3, O_RDWR, 0);
  assert.deepEqual(handles.mappable, []);
});

Deno.test("open handles: of what may be mapped, only what the kernel may have pages of is taken in, and once", () => {
  const handles = new OpenHandles();
  const range = (offset: number, length: number) => ({ ino: 7, offset, length });
  assert.equal(handles.takingIn(range(0, 10)), null, "nobody can map it");
  handles.opened(7, O_RDWR);
  assert.deepEqual(handles.takingIn(range(100, 50)), range(100, Infinity), "pages of before");
  assert.equal(handles.takingIn(range(200, 50)), null);
  assert.deepEqual(handles.takingIn(range(0, 50)), range(0, 50));
  assert.equal(handles.takingIn(range(10, 20)), null);
  handles.read(7, 300, 100);
  assert.deepEqual(handles.takingIn(range(320, 10)), range(320, 80), "with all behind it");
  assert.deepEqual(handles.takingIn(range(0, Infinity)), range(0, Infinity));
  assert.equal(handles.takingIn(range(0, Infinity)), null);
  handles.released(7, O_RDWR, 0);
  assert.equal(handles.isMappable(7), false);
});
