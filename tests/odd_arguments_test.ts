/** What programs without types give: it is refused, and never taken for something else. */
import assert from "node:assert/strict";
import {
  createKernel,
  createVault,
  EntropicMixer,
  MemoryStorage,
  openScatterEngine,
  openVault,
  systemRuntime,
} from "../mod.ts";

/** Passes for whatever is asked for. */
type Untyped = never;

const PASSPHRASE = "correct horse battery";
const BYTES = new TextEncoder().encode(PASSPHRASE);
const NO_BYTES: readonly Untyped[] = [
  PASSPHRASE,
  BYTES.buffer,
  new Uint16Array([300, 400]),
  new DataView(new ArrayBuffer(8)),
  [1, 2, 3],
  { length: 32 },
  5,
  null,
] as Untyped[];

const refused = { name: "VaultError", kind: "invalid" };

function noStream(chunk: Untyped): ReadableStream<Uint8Array> {
  return ReadableStream.from([chunk as unknown as Uint8Array]);
}

Deno.test("odd arguments: a passphrase that is no bytes opens and makes nothing", async () => {
  const medium = new MemoryStorage();
  await (await createVault({ medium, passphrase: BYTES, kdf: "interactive" })).close();
  for (const secret of NO_BYTES) {
    const given = { secret: { passphrase: secret } };
    await assert.rejects(createVault({ medium: "memory:", ...given }), refused);
    const again = new MemoryStorage({ content: medium.content });
    await assert.rejects(openVault({ medium: again, ...given }), refused);
    if (typeof secret === "string" || secret === null) continue;
    await assert.rejects(createVault({ medium: "memory:", passphrase: secret }), refused);
  }
  const code = "0".repeat(64) as Untyped;
  const byCode = { medium: "memory:", secret: { recoveryCode: code } } as const;
  await assert.rejects(createVault(byCode), refused);
});

Deno.test("odd arguments: a key that is no 32 bytes seals nothing", async () => {
  const kernel = createKernel({ memoryBytes: 1024 * 1024 });
  const noKeys = ["x".repeat(32), new Uint16Array(32), new Uint8Array(31)] as Untyped[];
  for (const key of [...noKeys, ...NO_BYTES]) {
    await assert.rejects(openScatterEngine({ medium: "memory:", key, create: true }), refused);
    assert.throws(() => new EntropicMixer({ kernel, runtime: systemRuntime, key }), refused);
  }
});

Deno.test("odd arguments: sizes, costs, modes and media that are none are refused", async () => {
  const passphrase = BYTES;
  const odd: unknown[] = [
    { medium: null },
    { medium: 5 },
    { medium: "memory:", members: [5] },
    { medium: "memory:", kdf: "weak" },
    { medium: "memory:", kdf: "constructor" },
    { medium: "memory:", mode: "none" },
    { medium: "memory:", mode: "export" },
    { medium: "memory:", sizeBytes: 10n },
  ];
  for (const each of odd) {
    await assert.rejects(createVault({ passphrase, ...each as { medium: string } }), refused);
  }
  for (const memoryBytes of [-1, NaN, 1e15, 1.5e6 + 0.5]) {
    assert.throws(() => createKernel({ memoryBytes }), refused);
  }
});

Deno.test("odd arguments: content and paths that are none are refused, and nothing changes", async () => {
  await using vault = await createVault({ medium: "memory:", passphrase: BYTES });
  const { files } = vault;
  await files.writeFile("/kept", "as it was");
  for (const data of NO_BYTES) {
    if (typeof data !== "string") await assert.rejects(files.writeFile("/kept", data), refused);
    await assert.rejects(files.writeFile("/kept", noStream(data)), refused);
    await using file = await files.open("/kept", { access: "write" });
    await assert.rejects(file.write(0, data), refused);
    if (typeof data !== "string") await assert.rejects(files.remove(data), refused);
  }
  assert.equal(await files.readText("/kept"), "as it was");
});

Deno.test("odd arguments: what does not end with a name is not removed", async () => {
  await using vault = await createVault({ medium: "memory:", passphrase: BYTES });
  const { files } = vault;
  await files.makeDirectory("/d");
  await files.writeFile("/d/kept", "x");
  for (const path of ["", "/", "//", ".", "/.", "/..", "/d/.", "/d/..", "/d/./"]) {
    for (const recursive of [true, false]) {
      await assert.rejects(files.remove(path, { recursive }), refused, path);
    }
  }
  for (const recursive of [true, false]) {
    await assert.rejects(files.remove("/d/kept/", { recursive }), { errno: "ENOTDIR" });
  }
  await assert.rejects(files.rename("/d/kept/", "/other"), { errno: "ENOTDIR" });
  await assert.rejects(files.writeFile("/d/kept/", "x"), { errno: "ENOTDIR" });
  await assert.rejects(files.writeFile("/new/", "x"), { errno: "EISDIR" });
  assert.equal(await files.readText("/d/kept"), "x");
  await files.rename("/d/", "/e/");
  await files.remove("/e/", { recursive: true });
  assert.deepEqual(await files.list("/"), []);
});
