import assert from "node:assert/strict";
import { emptyAttributes } from "../../core/fs/file_system.ts";
import { MIB } from "../../core/limits.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { MemoryFileSystem } from "../../tests/support/memory_file_system.ts";
import { sharedKernelMemory } from "../../tests/support/shared_kernel_memory.ts";
import { openRehearsal, Practice } from "../rehearse.ts";
import { ROOT_NODE } from "./protocol.ts";
import { Rehearsal } from "./rehearsal.ts";

function names(fileSystem: MemoryFileSystem, directory: number): string[] {
  const found: string[] = [];
  fileSystem.readdir(directory, 0, ({ name }) => found.push(new TextDecoder().decode(name)) > 0);
  return found.filter((name) => name !== "." && name !== "..");
}

Deno.test("rehearsal: it writes files, and leaves nothing when it was played to the end", () => {
  const kernel = sharedKernelMemory(4 * MIB);
  const fileSystem = new MemoryFileSystem(kernel, systemRuntime);
  const rehearsal = new Rehearsal(fileSystem, kernel);
  rehearsal.step();
  rehearsal.step();
  assert.deepEqual(names(fileSystem, ROOT_NODE), ["directory 0"]);
  const directory = emptyAttributes(), file = emptyAttributes();
  const name = (text: string) => new TextEncoder().encode(text);
  fileSystem.lookup(ROOT_NODE, name("directory 0"), directory);
  assert.deepEqual(names(fileSystem, directory.ino).toSorted(), ["file of 1900", "file of 700"]);
  fileSystem.lookup(directory.ino, name("file of 1900"), file);
  assert.equal(file.size, 1900);
  assert.equal(file.mode & 0o777, 0o600);
  while (rehearsal.step());
  assert.deepEqual(names(fileSystem, ROOT_NODE), []);
  rehearsal.close();
});

Deno.test("rehearsal: a filesystem on a sealed volume in memory bears all of it", async () => {
  const rehearsal = await openRehearsal();
  let steps = 1;
  while (rehearsal.step()) steps++;
  assert.ok(steps > 300, `${steps} steps`);
  rehearsal.close();
});

Deno.test("rehearsal: it ends when the key is there, and an idle mount plays no more", async () => {
  const practice = new Practice();
  const derived = Promise.withResolvers<void>();
  const ahead = practice.until(derived.promise);
  derived.resolve();
  await ahead;
  for (let tick = 0; tick < 3; tick++) await practice.tick(7);
  assert.equal(practice.idle(7), false);
});

Deno.test("rehearsal: where nobody could play before, it is played in the first second without requests", async () => {
  const practice = new Practice();
  await practice.tick(7);
  assert.equal(practice.idle(7), false); // there were requests
  await practice.tick(7);
  assert.equal(practice.idle(7), true);
  assert.equal(practice.idle(8), false); // somebody has come
  let steps = 0;
  while (practice.idle(7)) steps++;
  assert.ok(steps > 300, `${steps} steps`);
  await practice.tick(7);
  assert.equal(practice.idle(7), false); // there is nothing more to learn
});
