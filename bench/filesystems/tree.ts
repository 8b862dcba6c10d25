import { run } from "./shell.ts";

/** What is written, read and unpacked. */
export interface Material {
  /** A file of {@linkcode BIG_BYTES} random bytes. */
  readonly big: string;
  /** An archive of {@linkcode FILES} small files. */
  readonly archive: string;
  /** Bytes that ext4 takes for those files. */
  readonly ext4Bytes: number;
}

export const BIG_BYTES = 512 * 1024 * 1024;
export const FILES = 2000;
const DIRECTORIES = 43;
const FILE_BYTES_MAX = 200_000;
const EXT4_BLOCK_BYTES = 4096;
const RANDOM_BYTES_MAX = 65536;

/** Makes the material below a directory, the same tree every time. */
export async function makeMaterial(directory: string): Promise<Material> {
  const [big, tree, archive] = ["big", "tree", "tree.tar"].map((name) => `${directory}/${name}`);
  using file = await Deno.open(big, { write: true, create: true, truncate: true });
  const chunk = new Uint8Array(1024 * 1024);
  for (let written = 0; written < BIG_BYTES; written += chunk.length) {
    fillRandom(chunk);
    file.writeSync(chunk);
  }
  for (let i = 0; i < DIRECTORIES; i++) await Deno.mkdir(`${tree}/d${i}`, { recursive: true });
  const random = sequence(1);
  for (let i = 0; i < FILES; i++) {
    const bytes = new Uint8Array(sizeOf(random));
    fillRandom(bytes);
    await Deno.writeFile(`${tree}/d${i % DIRECTORIES}/f${i}`, bytes);
  }
  await run("tar", ["-C", tree, "-cf", archive, "."]);
  const ext4Bytes = await ext4BytesOf(directory, archive) ?? roundedBytesOf(tree);
  await Deno.remove(tree, { recursive: true });
  return { big, archive, ext4Bytes };
}

function fillRandom(bytes: Uint8Array<ArrayBuffer>): void {
  for (let at = 0; at < bytes.length; at += RANDOM_BYTES_MAX) {
    crypto.getRandomValues(bytes.subarray(at, at + RANDOM_BYTES_MAX));
  }
}

/** Sizes as they are in trees of sources and documents: log-normal, 3 KiB in the middle. */
function sizeOf(random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.min(FILE_BYTES_MAX, Math.floor(Math.exp(8 + 1.3 * normal)));
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What the tree takes on a real ext4; undefined where none can be mounted. */
async function ext4BytesOf(directory: string, archive: string): Promise<number | undefined> {
  const [image, mountpoint] = [`${directory}/ext4.img`, `${directory}/ext4`];
  try {
    await run("truncate", ["-s", "256M", image]);
    await run("mkfs.ext4", ["-q", "-F", "-b", "4096", image]);
    await Deno.mkdir(mountpoint);
    await run("mount", ["-o", "loop", image, mountpoint]);
  } catch {
    return undefined; // not root, or no loop devices
  }
  await run("tar", ["-C", mountpoint, "-xf", archive]);
  let bytes = 0;
  for (const entry of Deno.readDirSync(mountpoint)) {
    if (entry.name === "lost+found") continue;
    bytes += Number((await run("du", ["-s", "-B1", `${mountpoint}/${entry.name}`])).split("\t")[0]);
  }
  await run("umount", [mountpoint]);
  return bytes;
}

/** ext4 by arithmetic: whole blocks for each file and directory. */
function roundedBytesOf(directory: string): number {
  let bytes = EXT4_BLOCK_BYTES;
  for (const entry of Deno.readDirSync(directory)) {
    const path = `${directory}/${entry.name}`;
    bytes += entry.isDirectory
      ? roundedBytesOf(path)
      : Math.ceil(Deno.statSync(path).size / EXT4_BLOCK_BYTES) * EXT4_BLOCK_BYTES;
  }
  return bytes;
}
