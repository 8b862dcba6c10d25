import assert from "node:assert/strict";
import fc from "fast-check";
import { checkConsistency } from "../support/consistency.ts";
import type { Attributes, Caller, FileSystem } from "../../core/fs/file_system.ts";
import { PosixError } from "../../core/fs/file_system.ts";
import { createKernel } from "../../wasm/kernel.ts";
import { FileActions } from "../support/file_actions.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import {
  emptyAttributes,
  type MemoryVolume,
  named,
  openMemoryVolume,
} from "../support/open_memory_volume.ts";
import { encodeAcl } from "../../core/fs/acl.ts";

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFIFO = 0o010000;
const KERNEL_BYTES = 16 * 1024 * 1024;

/** Nodes and names are picked by number, so that sequences shrink well. */
const node = fc.nat({ max: 11 });
const name = fc.constantFrom("a", "b", "c", "d", "x".repeat(255), "y".repeat(256));
const permissions = fc.constantFrom(0o755, 0o644, 0o4755, 0o2755, 0o2775, 0o6711, 0o1777, 0);
const id = fc.constantFrom(0, 7, 1000);
const kind = fc.constantFrom(S_IFREG, S_IFREG, S_IFDIR, S_IFDIR, S_IFIFO);
const attribute = fc.constantFrom("trusted.one", "trusted.two", "security.three");
const value = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constant(new Uint8Array(9000).fill(7)),
);
const acl = fc.constantFrom("system.posix_acl_access", "system.posix_acl_default");
const aclValue = fc.tuple(fc.nat(7), fc.nat(7), fc.nat(7), fc.nat(7), fc.boolean()).map(aclOf);

const step = fc.oneof(
  fc.record({ op: fc.constant("mknod" as const), node, name, kind, permissions, id }),
  fc.record({ op: fc.constant("symlink" as const), node, name, id }),
  fc.record({
    op: fc.constantFrom("unlink" as const, "rmdir" as const, "lookup" as const),
    node,
    name,
  }),
  fc.record({ op: fc.constant("link" as const), node, name, other: node }),
  fc.record({
    op: fc.constant("rename" as const),
    node,
    name,
    other: node,
    otherName: name,
    flag: fc.constantFrom("", "", "noReplace", "exchange"),
  }),
  fc.record({ op: fc.constant("chmod" as const), node, permissions }),
  fc.record({ op: fc.constant("chown" as const), node, id }),
  fc.record({ op: fc.constant("resize" as const), node, size: fc.constantFrom(0, 10, 3000, 9000) }),
  fc.record({ op: fc.constant("utimes" as const), node, seconds: fc.integer() }),
  fc.record({
    op: fc.constant("write" as const),
    node,
    offset: fc.nat(6000),
    killSetId: fc.boolean(),
  }),
  fc.record({ op: fc.constantFrom("read" as const, "list" as const, "readlink" as const), node }),
  fc.record({ op: fc.constantFrom("open" as const, "release" as const, "fsync" as const), node }),
  fc.record({ op: fc.constant("setxattr" as const), node, attribute, value, flags: fc.nat(2) }),
  fc.record({
    op: fc.constant("setxattr" as const),
    node,
    attribute: acl,
    value: aclValue,
    flags: fc.constant(0),
  }),
  fc.record({ op: fc.constantFrom("removexattr" as const, "getxattr" as const), node, attribute }),
  fc.record({ op: fc.constantFrom("advance" as const, "remount" as const), node }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function aclOf(bits: [number, number, number, number, boolean]): Uint8Array {
  const [user, group, mask, other, isNamed] = bits;
  const none = 0xffffffff;
  const entries = [{ tag: 1, permissions: user, id: none }];
  if (isNamed) entries.push({ tag: 2, permissions: 6, id: 1000 });
  entries.push({ tag: 4, permissions: group, id: none });
  if (isNamed) entries.push({ tag: 16, permissions: mask, id: none });
  entries.push({ tag: 32, permissions: other, id: none });
  return encodeAcl(entries);
}

/** One filesystem of the two, with its own inode numbers. */
class Side {
  fs: FileSystem;
  #actions: FileActions;
  readonly #inos = [1];
  readonly #opens = new Map<number, number>();
  #steps = 0;

  constructor(fs: FileSystem, memory: { bytes: Uint8Array; reserve(size: number): number }) {
    this.fs = fs;
    this.#actions = new FileActions(fs, memory);
  }

  get hasOpen(): boolean {
    return this.#opens.size > 0;
  }

  replace(fs: FileSystem, memory: { bytes: Uint8Array; reserve(size: number): number }): void {
    this.fs = fs;
    this.#actions = new FileActions(fs, memory);
  }

  /** What the step gave: something comparable, or the errno. */
  run(step: Step): unknown {
    // Every other change is finished after its answer, as a driver does it: that makes no difference.
    if (++this.#steps % 2 === 0) this.fs.left?.open();
    try {
      return this.#run(step, this.#inos[step.node % this.#inos.length]);
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      return `errno ${error.errno}`;
    } finally {
      this.fs.left?.finish();
    }
  }

  /** Everything that can be reached, with content. */
  tree(ino = 1, path = "/"): unknown[] {
    const out = emptyAttributes();
    this.fs.getattr(ino, out);
    const seen: unknown[] = [path, shown(out), this.#xattrs(ino)];
    if ((out.mode & 0o170000) === S_IFREG) {
      seen.push(this.#actions.read(ino, 0, 65536).toHex());
    }
    if ((out.mode & 0o170000) !== S_IFDIR) return seen;
    for (const [text, child] of this.#list(ino)) {
      if (text !== "." && text !== "..") seen.push(this.tree(child, `${path}${text}/`));
    }
    return seen;
  }

  #run(step: Step, ino: number): unknown {
    const { fs } = this;
    const out = emptyAttributes();
    if (step.op === "mknod") {
      const node = { mode: step.kind | step.permissions, rdev: 0 };
      fs.mknod(callerOf(step.id), { parent: ino, name: named(step.name) }, node, out);
      this.#inos.push(out.ino);
    } else if (step.op === "symlink") {
      fs.symlink(
        callerOf(step.id),
        { parent: ino, name: named(step.name) },
        named("somewhere"),
        out,
      );
      this.#inos.push(out.ino);
    } else if (step.op === "lookup") {
      fs.lookup(ino, named(step.name), out);
    } else if (step.op === "unlink" || step.op === "rmdir") {
      return fs[step.op](ino, named(step.name));
    } else if (step.op === "link") {
      fs.link(this.#inos[step.other % this.#inos.length], ino, named(step.name), out);
    } else if (step.op === "rename") {
      return this.#rename(step, ino);
    } else {
      return this.#runOnNode(step, ino, out);
    }
    return shown(out);
  }

  #rename(step: Step & { op: "rename" }, ino: number): void {
    const flags = { noReplace: step.flag === "noReplace", exchange: step.flag === "exchange" };
    const to = { parent: this.#inos[step.other % this.#inos.length], name: named(step.otherName) };
    this.fs.rename({ parent: ino, name: named(step.name) }, to, flags);
  }

  #runOnNode(step: Step, ino: number, out: Attributes): unknown {
    const { fs } = this;
    const caller = callerOf(0);
    if (step.op === "chmod") fs.setattr(caller, ino, { mode: step.permissions }, out);
    else if (step.op === "chown") fs.setattr(caller, ino, { uid: step.id, gid: step.id }, out);
    else if (step.op === "resize") fs.setattr(caller, ino, { size: step.size }, out);
    else if (step.op === "utimes") {
      fs.setattr(caller, ino, { mtime: { seconds: step.seconds, nanoseconds: 5 } }, out);
    } else if (step.op === "write") {
      this.#actions.write(ino, step.offset, new Uint8Array(3000).fill(step.offset));
      fs.left?.finish();
      fs.getattr(ino, out);
    } else if (step.op === "open" || step.op === "release") {
      return this.#pin(step.op, ino);
    } else return this.#runPlain(step, ino);
    return shown(out);
  }

  #runPlain(step: Step, ino: number): unknown {
    const { fs } = this;
    if (step.op === "read") return this.#actions.read(ino, 0, 20000).toHex();
    if (step.op === "list") return this.#list(ino).map(([text]) => text);
    if (step.op === "readlink") return fs.readlink(ino).toHex();
    if (step.op === "getxattr") return fs.getxattr(ino, named(step.attribute)).toHex();
    if (step.op === "removexattr") return fs.removexattr(ino, named(step.attribute));
    if (step.op === "setxattr") {
      // The kernel sends no ACL of a symlink.
      if (step.attribute.startsWith("system.") && this.#isSymlink(ino)) return;
      return fs.setxattr(ino, named(step.attribute), step.value, step.flags);
    }
    if (step.op === "fsync") fs.fsync(ino);
  }

  #pin(op: "open" | "release", ino: number): void {
    const opens = this.#opens.get(ino) ?? 0;
    if (op === "open") {
      this.fs.open(ino, 0);
      this.#opens.set(ino, opens + 1);
    } else if (opens > 0) {
      this.fs.release(ino);
      if (opens === 1) this.#opens.delete(ino);
      else this.#opens.set(ino, opens - 1);
    }
  }

  #isSymlink(ino: number): boolean {
    const out = emptyAttributes();
    this.fs.getattr(ino, out);
    return (out.mode & 0o170000) === 0o120000;
  }

  #list(ino: number): [string, number][] {
    const entries: [string, number][] = [];
    this.fs.readdir(ino, 0, (entry) => {
      entries.push([new TextDecoder().decode(entry.name), entry.ino]);
      return true;
    });
    return entries.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #xattrs(ino: number): string[] {
    const names = this.fs.listxattr(ino);
    return names.map((name) => `${name.toHex()}=${this.fs.getxattr(ino, name).toHex()}`).sort();
  }
}

function callerOf(uid: number): Caller {
  return { uid, gid: uid, pid: 1, umask: 0o027 };
}

/** What both filesystems must show alike: not numbers, nor what a directory or its blocks take. */
function shown(attributes: Attributes): unknown {
  const { ino: _ino, blocks: _blocks, generation: _generation, size, ...rest } = attributes;
  return (attributes.mode & 0o170000) === S_IFDIR ? rest : { size, ...rest };
}

/** The vault's filesystem and the model, over one clock. */
function makeSides(): { volume: MemoryVolume; subject: Side; model: Side } {
  const kernel = createKernel({ memoryBytes: KERNEL_BYTES });
  const volume = openMemoryVolume({ volume: { kernel, hashes: 2 } });
  const memory = new MemoryFileSystem(kernel, volume.runtime);
  return { volume, subject: new Side(volume.fs, kernel), model: new Side(memory, kernel) };
}

Deno.test("filesystem: any sequence of operations does what the model does", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 60, size: "max" }),
      async (steps) => {
        const { volume, subject, model } = makeSides();
        let { fs, store } = volume;
        for (const step of steps) {
          if (step.op === "remount" && !subject.hasOpen) {
            await fs.syncAll();
            const options = { kernel: createKernel({ memoryBytes: KERNEL_BYTES }), hashes: 2 };
            const again = { ...options, runtime: volume.runtime };
            ({ fs, store } = openMemoryVolume({ volume: again, image: store.image() }));
            subject.replace(fs, store.kernel);
          }
          volume.runtime.advance(1000);
          assert.deepEqual(subject.run(step), model.run(step), `after ${JSON.stringify(step)}`);
        }
        assert.deepEqual(subject.tree(), model.tree());
        await fs.syncAll();
        assert.deepEqual(checkConsistency(store).problems, []);
      },
    ),
    { numRuns: 200 },
  );
});
