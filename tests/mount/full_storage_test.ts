/**
 * A mounted vault on a filesystem that others fill up: programs get ENOSPC, what they wrote before is durable all the same,
 * deleting works, and when there is room again so does everything. The filesystem is a small tmpfs.
 */
import assert from "node:assert/strict";
import { MIB } from "../../core/limits.ts";
import { run, whyNoMount } from "../support/mounted_driver.ts";
import { MountedVault } from "../support/mounted_vault.ts";
import { checkClosed } from "../support/promised_writer.ts";

const STORAGE_BYTES = 96 * MIB;
const TMPFS = ["-t", "tmpfs", "-o", `size=${STORAGE_BYTES}`, "small"];

async function whyNot(): Promise<string> {
  const reason = whyNoMount();
  if (reason !== "") return reason;
  const directory = await Deno.makeTempDir();
  const { code } = await run("mount", ["-t", "tmpfs", "probe", directory], "/");
  if (code === 0) await run("umount", [directory], "/");
  await Deno.remove(directory);
  return code === 0 ? "" : "a tmpfs cannot be mounted here";
}

const reason = await whyNot();

/** A small filesystem with a vault, and what fills it. */
class SmallStorage {
  readonly directory: string;
  readonly vault: MountedVault;

  private constructor(directory: string, vault: MountedVault) {
    this.directory = directory;
    this.vault = vault;
  }

  static async open(mount: readonly string[] = TMPFS): Promise<SmallStorage> {
    const directory = await Deno.makeTempDir({ prefix: "small" });
    assert.equal((await run("mount", [...mount, directory], "/")).code, 0);
    const vault = await MountedVault.create({ path: `${directory}/vault`, sizeBytes: 1024 * MIB });
    return new SmallStorage(directory, vault);
  }

  /** Somebody else takes all that is left. */
  async fill(): Promise<void> {
    const { stderr } = await run("dd", ["if=/dev/zero", "of=filler", "bs=64K"], this.directory);
    assert.match(stderr, /No space left/);
  }

  async free(): Promise<void> {
    await Deno.remove(`${this.directory}/filler`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.vault[Symbol.asyncDispose]();
    await run("umount", [this.directory], "/");
    await Deno.remove(this.directory);
  }
}

function storageTest(name: string, fn: (storage: SmallStorage) => Promise<void>): void {
  Deno.test({
    name: `mount: ${name}${reason && `: ${reason}`}`,
    ignore: reason !== "",
    fn: async () => {
      await using storage = await SmallStorage.open();
      await fn(storage);
    },
  });
}

async function isFull({ vault }: SmallStorage, script: string): Promise<void> {
  const { code, stderr } = await run("sh", ["-ec", script], vault.mountpoint);
  assert.notEqual(code, 0, script);
  assert.match(stderr, /No space left on device/);
}

storageTest(
  "what was written before others filled the disk below can be synced",
  async (storage) => {
    const { vault } = storage;
    await vault.ok("head -c 1M /dev/urandom > kept; sync kept");
    for (let round = 0; round < 3; round++) {
      await vault.ok("head -c 12M /dev/urandom > late");
      await storage.fill();
      const sum = await vault.ok("sync late; sha256sum late");
      await isFull(storage, "head -c 128M /dev/urandom > more; sync more");
      await vault.ok("rm -f more; sync .");
      await storage.free();
      await vault.ok("echo again > again; sync again");
      await vault.remount();
      assert.equal(await vault.ok("sha256sum late"), sum);
      await vault.ok("rm late; sync .");
    }
    await vault.unmount();
    await checkClosed(vault.path);
    await vault.mount();
  },
);

storageTest(
  "on a full disk below an idle mount still deletes, and then writes",
  async (storage) => {
    const { vault } = storage;
    await vault.ok("for n in 1 2 3 4 5 6 7 8; do head -c 4M /dev/urandom > $n; done; sync .");
    await storage.fill();
    await isFull(storage, "head -c 128M /dev/urandom > more; sync more");
    await vault.ok("rm -f more 1 2 3 4; sync .");
    await vault.ok("echo small > small; sync small; head -c 4M /dev/urandom > new; sync new");
    const sums = await vault.ok("sha256sum 5 6 7 8 new small");
    await vault.remount();
    assert.equal(await vault.ok("sha256sum 5 6 7 8 new small"), sums);
    await vault.unmount();
    await checkClosed(vault.path);
    await vault.mount();
  },
);

/** ext3 makes files without a name, and keeps no space for them. */
async function ext3Image(): Promise<string | null> {
  const image = await Deno.makeTempFile({ suffix: ".ext3" });
  await Deno.truncate(image, STORAGE_BYTES);
  const made = await run("mkfs.ext3", ["-q", image], "/").catch(() => ({ code: 1 }));
  const probe = await Deno.makeTempDir();
  const mounted = made.code === 0 &&
    (await run("mount", ["-o", "loop", image, probe], "/")).code === 0;
  if (mounted) await run("umount", [probe], "/");
  await Deno.remove(probe);
  if (mounted) return image;
  await Deno.remove(image);
  return null;
}

const image = reason === "" ? await ext3Image() : null;
const noImage = image === null ? reason || "no ext3 image can be mounted here" : "";

Deno.test({
  name: `mount: where no space can be kept, a vault is used as before${noImage && `: ${noImage}`}`,
  ignore: noImage !== "",
  fn: async () => {
    try {
      await using storage = await SmallStorage.open(["-o", "loop", image!]);
      const { vault } = storage;
      await vault.ok(
        "head -c 8M /dev/urandom > file; sync file; rm file; echo x > small; sync small",
      );
      await vault.unmount();
      await checkClosed(vault.path);
      await vault.mount();
    } finally {
      await Deno.remove(image!);
    }
  },
});
