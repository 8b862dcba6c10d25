import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { openMedium } from "./open_medium.ts";

Deno.test("medium: a path and its URL name the same file", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/a b%.vault`;
  const made = await openMedium(path, { create: true });
  await made.write(0, new Uint8Array([7]));
  await made.close();
  const opened = await openMedium(pathToFileURL(path).href, { readOnly: true });
  assert.deepEqual(await opened.read(0, 1), new Uint8Array([7]));
  assert.equal(opened.name, path);
  await opened.close();
  await Deno.remove(directory, { recursive: true });
});

Deno.test("medium: memory: is empty each time", async () => {
  const first = await openMedium("memory:", { sizeMax: 10 });
  await first.write(0, new Uint8Array(10));
  await assert.rejects(first.write(10, new Uint8Array(1)), { errno: "ENOSPC" });
  assert.equal(await (await openMedium("memory:")).size(), 0);
});

Deno.test("medium: an unknown scheme is named with the known ones, and nothing else of the name", async () => {
  await assert.rejects(openMedium("s4://key:secret@host/x"), {
    kind: "invalid",
    message:
      'Cannot open medium with scheme "s4:": known are file:, directory:, memory: and plain paths',
  });
  await assert.rejects(openMedium("file://host/x"), { kind: "invalid" });
});

Deno.test("medium: a directory of files is opened by URL, and not created over another", async () => {
  const path = `${await Deno.makeTempDir()}/vault`;
  const name = `directory://${path}`;
  await assert.rejects(openMedium(name), { kind: "missing" });
  const made = await openMedium(name, { create: true, exclusive: true });
  assert.equal(made.capabilities.overwrite, false);
  await assert.rejects(openMedium(name), { kind: "conflict", errno: "EBUSY" });
  await made.write(0, new Uint8Array([1, 2]));
  await made.close();
  await assert.rejects(openMedium(name, { create: true, exclusive: true }), { kind: "conflict" });
  const reader = await openMedium(name, { readOnly: true });
  assert.deepEqual(await reader.read(0, 2), new Uint8Array([1, 2]));
  await reader.close();
  await assert.rejects(openMedium(name.replace("vault", "none")), { kind: "missing" });
  await Deno.remove(path, { recursive: true });
});
