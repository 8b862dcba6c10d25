/**
 * Does the same random operations in two directories and compares what each says: errors, and what is read.
 * Arguments: the two directories, a seed, how many operations.
 */
import assert from "node:assert/strict";
import { RandomStream } from "./random_stream.ts";
import { O, type Result, SystemCalls } from "./system_calls.ts";

/** Longest file: a few blocks, so that edges are met often. */
const FILE_BYTES_MAX = 200_000;
const WRITE_BYTES_MAX = 70_000;
const NAMES = 12;
const DIRECTORIES = 4;
const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const ZERO_RANGE = 16;

type Operation = (c: SystemCalls, random: RandomStream) => unknown;

const directory = (random: RandomStream) => `d${random.below(DIRECTORIES)}`;

function name(random: RandomStream): string {
  const place = random.chance(0.5) ? "" : `${directory(random)}/`;
  return `${place}n${random.below(NAMES)}`;
}

function text(random: RandomStream): string {
  const length = random.chance(0.7) ? random.below(500) : random.below(WRITE_BYTES_MAX);
  const word = random.bits().toString(36).padEnd(7, "-");
  return word.repeat(Math.ceil(length / word.length)).slice(0, length);
}

const at = (random: RandomStream) => random.below(FILE_BYTES_MAX);

function allocate(mode: number): Operation {
  return (c, random) =>
    c.with(
      name(random),
      O.RDWR | O.NONBLOCK,
      (fd) => c.fallocate(fd, mode, at(random), 1 + at(random)),
    );
}

function read(c: SystemCalls, random: RandomStream): Result {
  const path = name(random);
  const [offset, length] = [at(random), 1 + random.below(WRITE_BYTES_MAX)];
  return c.with(path, O.RDONLY | O.NONBLOCK, (fd) => `read ${c.read(fd, length, offset)}`);
}

/** What stat says that must be the same on every filesystem. */
function stat(c: SystemCalls, random: RandomStream): string {
  try {
    const path = name(random);
    const { mode, nlink, size, uid } = c.stat(path);
    return (mode & 0o170000) === 0o040000 ? `dir ${mode}` : `${mode} ${nlink} ${size} ${uid}`;
  } catch (error) {
    return String(error);
  }
}

/** Reads and changes a file that has lost its name. */
function unlinked(c: SystemCalls, random: RandomStream): Result {
  const path = name(random);
  const [written, offset] = [text(random), at(random)];
  return c.with(path, O.RDWR | O.NONBLOCK, (fd) => {
    c.unlink(path);
    c.write(fd, written, offset);
    return `${c.fstat(fd).size} ${c.read(fd, 1000, Math.max(0, offset - 500))}`;
  });
}

const ZERO = allocate(ZERO_RANGE);
const OPERATIONS: readonly [weight: number, operation: Operation][] = [
  [8, (c, random) => c.create(name(random), random.below(0o1000))],
  [22, (c, random) => {
    const [path, offset] = [name(random), at(random)];
    return c.with(path, O.RDWR | O.NONBLOCK, (fd) => c.write(fd, text(random), offset));
  }],
  [
    6,
    (c, random) =>
      c.with(name(random), O.WRONLY | O.NONBLOCK | O.APPEND, (fd) => c.write(fd, text(random))),
  ],
  [15, read],
  [6, stat],
  [5, (c, random) => c.truncate(name(random), at(random))],
  [3, (c, random) => c.tryOpen(name(random), O.WRONLY | O.NONBLOCK | O.TRUNC)],
  [3, allocate(0)],
  [2, allocate(KEEP_SIZE)],
  [4, allocate(PUNCH_HOLE | KEEP_SIZE)],
  [3, ZERO],
  [6, (c, random) => c.unlink(name(random))],
  [3, unlinked],
  [8, (c, random) => c.rename(name(random), name(random), random.below(3))],
  [4, (c, random) => c.link(name(random), name(random))],
  [3, (c, random) => c.symlink(`target ${random.below(9)}`, name(random))],
  [3, (c, random) => c.readlink(name(random))],
  [3, (c, random) => c.mkdir(directory(random))],
  [2, (c, random) => c.rmdir(directory(random))],
  [2, (c, random) => c.mkdir(name(random))],
  [2, (c, random) => c.rmdir(name(random))],
  [2, (c, random) => c.rename(directory(random), directory(random))],
  [2, (c, random) => c.mkfifo(name(random))],
  [3, (c, random) => c.chmod(name(random), random.below(0o1000))],
  [2, (c, random) => c.lchown(name(random), random.below(5), random.below(5))],
  [
    3,
    (c, random) =>
      c.setxattr(name(random), `trusted.a${random.below(3)}`, text(random).slice(0, 900)),
  ],
  [2, (c, random) => c.getxattr(name(random), `trusted.a${random.below(3)}`)],
  [1, (c, random) => c.removexattr(name(random), `trusted.a${random.below(3)}`)],
];
const WEIGHTS = OPERATIONS.reduce((sum, [weight]) => sum + weight, 0);

function pick(random: RandomStream): number {
  let left = random.below(WEIGHTS);
  return OPERATIONS.findIndex(([weight]) => (left -= weight) < 0);
}

/** Not every filesystem zeros ranges: where one does not, that operation is left out. */
function zerosRanges(c: SystemCalls): boolean {
  c.create("probe");
  const result = c.with("probe", O.RDWR, (fd) => c.fallocate(fd, ZERO_RANGE, 0, 1));
  c.unlink("probe");
  return result === "ok";
}

/** Runs the operations in both directories. */
export function runRandomly(roots: readonly [string, string], seed: number, count: number): void {
  const calls = roots.map((root) => new SystemCalls(root));
  const choice = new RandomStream(seed);
  const zeros = calls.every(zerosRanges);
  try {
    for (let n = 0; n < count; n++) {
      const index = pick(choice);
      const how = choice.bits();
      const [, operation] = OPERATIONS[index];
      if (operation === ZERO && !zeros) continue;
      const [first, second] = calls.map((c) => operation(c, new RandomStream(how)));
      if (first === second) continue;
      const shown = [first, second].map((result) => String(result).slice(0, 200));
      assert.deepEqual(shown[0], shown[1], `operation ${n} (kind ${index}) of seed ${seed}`);
      assert.fail(`operation ${n} (kind ${index}) of seed ${seed} reads other bytes`);
    }
  } finally {
    for (const call of calls) call[Symbol.dispose]();
  }
}

if (import.meta.main) {
  const [first, second, seed, count] = Deno.args;
  runRandomly([first, second], Number(seed), Number(count));
}
