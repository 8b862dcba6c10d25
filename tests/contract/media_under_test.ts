import { openDirectoryObjects } from "../../backends/directory/objects.ts";
import { nodeIo } from "../../backends/file/node_io.ts";
import type { PositionedIo } from "../../backends/file/positioned_io.ts";
import { openFileStorage } from "../../backends/file/store.ts";
import { MemoryObjects } from "../../backends/memory/objects.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import type { StorageBackend } from "../../core/storage/storage_backend.ts";
import { libcFileIo } from "../../ffi/libc/file_io.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { FaultyMedium } from "../support/faulty_medium.ts";
import { openWriteOnce } from "../support/open_write_once.ts";

/** One medium of a kind, for one test. */
export interface MediumUnderTest {
  /** Opened for writing, with nothing in it. */
  readonly medium: StorageBackend;
  /** Opens the same content once more. */
  openAgain(options: { readOnly: boolean }): Promise<StorageBackend>;
  /** Bytes that the content takes, holes not counted. */
  allocatedBytes(): Promise<number>;
  /** Gives everything back, also what a failed test left open. */
  dispose(): Promise<void>;
}

/** A kind of medium and what of the contract applies to it. */
export interface MediumKind {
  readonly name: string;
  /** Why it cannot be tested here, or undefined. */
  readonly skipped?: string;
  /** Properties beyond the common ones. */
  readonly has: readonly ("resize" | "sparse" | "lock")[];
  open(): Promise<MediumUnderTest>;
}

/** Runs a program and returns what it printed. */
export async function run(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${text(stderr)}`);
  return text(stdout);
}

/** libc's I/O, or node's with the reason why libc's is not there. */
export const libcIo = libcFileIo();
const libcSkipped = libcIo === undefined ? "needs Linux and --allow-ffi" : undefined;

/** Every kind of medium that this repository has. */
export function mediumKinds(): MediumKind[] {
  return [
    {
      name: "memory",
      has: ["resize", "sparse"],
      open: () => Promise.resolve(memory((medium) => medium)),
    },
    {
      name: "faulty medium without faults",
      has: ["resize", "sparse"],
      open: () => Promise.resolve(memory((medium) => new FaultyMedium(medium))),
    },
    { name: "crash medium", has: ["resize"], open: () => Promise.resolve(crash()) },
    {
      name: "write-once objects in memory",
      has: ["resize"],
      open: () => Promise.resolve(objectsInMemory()),
    },
    { name: "directory", has: ["resize", "lock"], open: directory },
    { name: "file, node io", has: ["resize", "sparse", "lock"], open: () => file(nodeIo) },
    {
      name: "file, libc io",
      skipped: libcSkipped,
      has: ["resize", "sparse", "lock"],
      open: () => file(libcIo ?? nodeIo),
    },
    ...[nodeIo, libcIo ?? nodeIo].map((io, i): MediumKind => ({
      name: `block device, ${["node", "libc"][i]} io`,
      skipped: (i === 1 ? libcSkipped : undefined) ?? blockDeviceSkipped(),
      has: ["lock"],
      open: () => blockDevice(io),
    })),
  ];
}

function memory(wrap: (medium: MemoryStorage) => StorageBackend): MediumUnderTest {
  const inner = new MemoryStorage();
  const { content } = inner;
  return {
    medium: wrap(inner),
    openAgain: (options) => Promise.resolve(wrap(new MemoryStorage({ content, ...options }))),
    allocatedBytes: () => Promise.resolve(content.allocatedBytes),
    dispose: () => inner.close(),
  };
}

/** Opened again, a crash medium is the image without a crash. */
function crash(): MediumUnderTest {
  const medium = new CrashMedium();
  return {
    medium,
    openAgain({ readOnly }) {
      const [image] = medium.images(1, { points: [medium.log.length, Infinity] });
      return Promise.resolve(new MemoryStorage({ content: image.contents[0], readOnly }));
    },
    allocatedBytes: () => Promise.reject(new Error("not measured")),
    dispose: () => medium.close(),
  };
}

function objectsInMemory(): MediumUnderTest {
  const { content } = new MemoryObjects();
  const open = (readOnly: boolean) => openWriteOnce(new MemoryObjects({ content, readOnly }));
  const medium = open(false);
  return {
    medium,
    openAgain: ({ readOnly }) => Promise.resolve(open(readOnly)),
    allocatedBytes: () => Promise.reject(new Error("not measured")),
    dispose: () => medium.close(),
  };
}

async function directory(): Promise<MediumUnderTest> {
  const path = await Deno.makeTempDir();
  const opened: StorageBackend[] = [];
  // deno-lint-ignore require-await
  const open = async (readOnly: boolean) => {
    const medium = openWriteOnce(openDirectoryObjects({ path, readOnly }));
    opened.push(medium);
    return medium;
  };
  return {
    medium: await open(false),
    openAgain: ({ readOnly }) => open(readOnly),
    allocatedBytes: () => Promise.reject(new Error("not measured")),
    async dispose() {
      for (const medium of opened) await medium.close();
      await Deno.remove(path, { recursive: true });
    },
  };
}

/** A medium at `path`; all that tests open is closed by `dispose`, which then calls `remove`. */
async function atPath(
  path: string,
  options: { io: PositionedIo; create: boolean },
  remove: () => Promise<unknown>,
): Promise<MediumUnderTest> {
  const opened: StorageBackend[] = [];
  const keep = (medium: StorageBackend) => {
    opened.push(medium);
    return medium;
  };
  try {
    return {
      medium: keep(await openFileStorage({ path, ...options })),
      openAgain: async ({ readOnly }) =>
        keep(await openFileStorage({ path, readOnly, io: options.io })),
      allocatedBytes: async () => ((await Deno.stat(path)).blocks ?? 0) * 512,
      async dispose() {
        for (const medium of opened) await medium.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function file(io: PositionedIo): Promise<MediumUnderTest> {
  const directory = await Deno.makeTempDir();
  const remove = () => Deno.remove(directory, { recursive: true });
  return atPath(`${directory}/medium`, { io, create: true }, remove);
}

/** Why no loop device can be made here. */
export function blockDeviceSkipped(): string | undefined {
  if (Deno.build.os !== "linux") return "loop devices are Linux's";
  if (Deno.uid() !== 0) return "a loop device needs root";
  try {
    Deno.statSync("/dev/loop-control");
    const { success } = new Deno.Command("losetup", { args: ["--find"] }).outputSync();
    return success ? undefined : "no loop device is free";
  } catch {
    return "losetup is not there";
  }
}

async function blockDevice(io: PositionedIo): Promise<MediumUnderTest> {
  const { device, remove } = await loopDevice();
  return atPath(device, { io, create: false }, remove);
}

/** A loop device over a file of 8 MiB. */
async function loopDevice(...options: string[]) {
  const image = await Deno.makeTempFile();
  await Deno.truncate(image, 8 * 1024 * 1024);
  const device = await run("losetup", "--find", "--show", ...options, image);
  const remove = async () => {
    await run("losetup", "--detach", device);
    await Deno.remove(image);
  };
  return { device, remove };
}

/** Runs `test` with such a device. */
export async function withLoopDevice(
  options: readonly string[],
  test: (path: string) => Promise<void>,
): Promise<void> {
  const { device, remove } = await loopDevice(...options);
  try {
    await test(device);
  } finally {
    await remove();
  }
}
