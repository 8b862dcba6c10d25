import type { Contender } from "./contenders.ts";
import { Mounted } from "./mounted.ts";
import type { RowName } from "./rows.ts";
import { bytesOnDisk, run, seconds } from "./shell.ts";
import { BIG_BYTES, type Material } from "./tree.ts";

/** What one run measured. */
export type Figures = Partial<Record<RowName, number>>;

const RANDOM_READS = 20_000;
const RANDOM_WRITES = 12_800;
const IDLE_MS = 3000;
const RANDOM_IO = new URL("./random_io.ts", import.meta.url).pathname;
const MIB = 1024 * 1024;

/** One run of everything with one contender, in a directory that is removed after. */
export async function measure(
  contender: Contender,
  material: Material,
  directory: string,
): Promise<Figures> {
  const figures: Figures = {};
  for (const [name, phases] of Object.entries({ space: spaceOf, once: onceOf, speed: speedOf })) {
    const below = `${directory}/${name}`;
    await Deno.mkdir(below, { recursive: true });
    const mounted = new Mounted(contender, below);
    try {
      Object.assign(figures, await phases(mounted, material));
      await mounted.unmount();
    } catch (error) {
      mounted.abandon();
      throw new Error(`${contender.name}: ${name}`, { cause: error });
    }
    await Deno.remove(below, { recursive: true });
  }
  return figures;
}

/** Making a store, the space of a tree in it, and what an idle mount costs. */
async function spaceOf(mounted: Mounted, { archive, ext4Bytes }: Material): Promise<Figures> {
  const start = performance.now();
  await mounted.create();
  await mounted.mount();
  const ready = (performance.now() - start) / 1000;
  const idle = await idleOf(mounted);
  await mounted.unmount();
  const before = await bytesOnDisk(mounted.store);
  await mounted.mount();
  await run("tar", ["-C", mounted.mountpoint, "-xf", archive]);
  await mounted.unmount();
  const after = await bytesOnDisk(mounted.store);
  return {
    ...idle === null ? {} : { ready, ...idle },
    space: after / ext4Bytes,
    "space added": (after - before) / ext4Bytes,
  };
}

/** From nothing to the first answer in as few commands as it takes. */
async function onceOf(mounted: Mounted): Promise<Figures> {
  const start = performance.now();
  if (!await mounted.createAndMount()) {
    await mounted.create();
    await mounted.mount();
  }
  return mounted.isServed ? { "ready at once": (performance.now() - start) / 1000 } : {};
}

async function idleOf(mounted: Mounted): Promise<Figures | null> {
  const first = await mounted.usage();
  if (first === null) return null;
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const last = await mounted.usage();
  if (last === null) return null;
  const cpu = (last.cpuSeconds - first.cpuSeconds) / (IDLE_MS / 1000) * 100;
  return { "idle memory": last.residentBytes / MIB, "idle cpu": cpu };
}

/** The phases, each on a fresh mount. */
async function speedOf(mounted: Mounted, { big, archive }: Material): Promise<Figures> {
  const { mountpoint } = mounted;
  const [file, mib] = [`${mountpoint}/big`, BIG_BYTES / 1e6];
  await mounted.create();
  await mounted.mount();
  const figures: Figures = {};
  figures.write = mib / await seconds("dd", [
    ...[`if=${big}`, `of=${file}`, "bs=1M", "conv=fsync", "status=none"],
  ]);
  await mounted.remount();
  figures.read = mib / await seconds("dd", [`if=${file}`, "of=/dev/null", "bs=1M", "status=none"]);
  await mounted.remount();
  figures.untar = await seconds("tar", ["-C", mountpoint, "-xf", archive]);
  await mounted.remount();
  figures.find = await seconds("find", [mountpoint, "-type", "f", "-size", "+100k"]);
  await mounted.remount();
  figures.cat = await seconds("sh", [
    "-c",
    `find ${mountpoint}/d* -type f -exec cat {} + >/dev/null`,
  ]);
  await mounted.remount();
  figures["random read"] = await randomIo("read", file, RANDOM_READS);
  await mounted.remount();
  figures["random write"] = await randomIo("write", file, RANDOM_WRITES);
  const used = await mounted.usage();
  if (used !== null) figures["memory after work"] = used.residentBytes / MIB;
  await mounted.remount();
  figures.rm = await seconds("sh", ["-c", `rm -rf ${mountpoint}/d*`]);
  return figures;
}

async function randomIo(mode: "read" | "write", file: string, count: number): Promise<number> {
  return Number(await run(Deno.execPath(), ["run", "-A", RANDOM_IO, mode, file, `${count}`]));
}
