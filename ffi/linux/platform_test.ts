import assert from "node:assert/strict";
import type { SecureStorage } from "../../core/crypto/platform.ts";
import { VaultError } from "../../core/errors.ts";
import { kernelKeyring } from "./kernel_keyring.ts";
import { linuxPlatform } from "./platform.ts";
import { secretFiles } from "./secret_files.ts";

const ignore = Deno.build.os !== "linux";
const SECRET = crypto.getRandomValues(new Uint8Array(32));

async function keepsSecrets(storage: SecureStorage, label: string): Promise<void> {
  assert.equal(await storage.get(label), null);
  await storage.remove(label);
  await storage.set(label, new Uint8Array(32));
  await storage.set(label, SECRET);
  assert.deepEqual(await storage.get(label), SECRET);
  await storage.remove(label);
  assert.equal(await storage.get(label), null);
}

/** A directory that is removed after the test. */
async function scratch() {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test({
  name: "linux: secret files keep, replace and forget secrets, for the user alone",
  ignore,
  async fn() {
    await using directory = await scratch();
    const place = `${directory.path}/state/device`;
    const storage = secretFiles(place);
    await keepsSecrets(storage, "0a-b9");
    await storage.set("0a", SECRET);
    assert.equal(((await Deno.stat(place)).mode ?? 0) & 0o777, 0o700);
    assert.equal(((await Deno.stat(`${place}/0a`)).mode ?? 0) & 0o777, 0o600);
    assert.deepEqual(Array.from(Deno.readDirSync(place), (entry) => entry.name), ["0a"]);
  },
});

Deno.test({
  name: "linux: secret files that others can read, or that are cut short, are refused",
  ignore,
  async fn() {
    await using directory = await scratch();
    const storage = secretFiles(directory.path);
    await storage.set("0a", SECRET);
    await Deno.chmod(`${directory.path}/0a`, 0o640);
    await assert.rejects(storage.get("0a"), { kind: "denied", message: /mode 640 .*chmod go=/ });
    await Deno.chmod(`${directory.path}/0a`, 0o600);
    await Deno.truncate(`${directory.path}/0a`, 31);
    await assert.rejects(storage.get("0a"), { kind: "corrupt" });
    await Deno.chmod(directory.path, 0o755);
    await assert.rejects(storage.set("0b", SECRET), { kind: "denied" });
    await Deno.chmod(directory.path, 0o700);
    await assert.rejects(storage.set("0c", new Uint8Array(0)).then(() => storage.get("0c")));
  },
});

Deno.test({
  name: "linux: labels that could leave the directory are refused",
  ignore,
  async fn() {
    await using directory = await scratch();
    for (const label of ["", "..", "../x", "a/b", "A"]) {
      await assert.rejects(secretFiles(directory.path).get(label), { kind: "invalid" });
    }
  },
});

Deno.test({
  name: "linux: the fingerprint is stable, hides the machine's id, and differs between machines",
  ignore,
  async fn() {
    await using directory = await scratch();
    const [one, two] = [`${directory.path}/one`, `${directory.path}/two`];
    await Deno.writeTextFile(one, "00112233445566778899aabbccddeeff\n");
    await Deno.writeTextFile(two, "ff112233445566778899aabbccddeeff\n");
    const print = (...identityFiles: string[]) =>
      linuxPlatform({ identityFiles }).deviceFingerprint();
    const first = await print(one, two);
    assert.equal(first.id.length, 16);
    assert.equal(first.name, Deno.hostname());
    assert.deepEqual(await print(one), first);
    assert.deepEqual(await print(`${directory.path}/absent`, one), first);
    assert.notDeepEqual((await print(two)).id, first.id);
    assert.equal((await print()).id.length, 16);
    assert.equal(linuxPlatform().filesystemDriver(), "libfuse3");
  },
});

async function keyringReason(): Promise<string | null> {
  if (ignore) return "not Linux";
  try {
    using keyring = kernelKeyring();
    await keyring.get("probe");
    return null;
  } catch (error) {
    if (error instanceof VaultError && error.kind === "unavailable") return error.message;
    throw error;
  }
}

const withoutKeyring = await keyringReason();
Deno.test({
  name: `linux: the kernel keyring keeps secrets${withoutKeyring ? ` (${withoutKeyring})` : ""}`,
  ignore: withoutKeyring !== null,
  async fn() {
    using keyring = kernelKeyring();
    await keepsSecrets(keyring, crypto.randomUUID());
  },
});
