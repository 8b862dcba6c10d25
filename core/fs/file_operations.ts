import { FILE_BYTES_MAX } from "./attribute_change.ts";
import { fail } from "./errno.ts";
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE } from "./file_space.ts";
import type { CopyPoint, WriteRequest } from "./file_system.ts";
import { HalfChanges } from "./half_changes.ts";
import { isDirectory, isRegular } from "./mode.ts";
import type { Node } from "./node.ts";
import type { FileSystemParts } from "./parts.ts";
import { SEEK_DATA, SEEK_HOLE } from "./seek.ts";

/** Flags of `open` of a file that is to be changed. */
const O_ACCMODE = 3;
const O_TRUNC = 0o1000;

/** Cells of tree pages that storing one access time may change: a leaf and what is above it. */
const CELLS_PER_TIME = 8;

/** What can be done with an open file: arguments checked, space asked for, times and privileges kept. */
export class FileOperations {
  readonly #parts: FileSystemParts;
  readonly #keepsAccessTimes: boolean;

  /** `keepsAccessTimes` is false for a filesystem mounted `noatime` or read-only. */
  constructor(parts: FileSystemParts, keepsAccessTimes: boolean) {
    this.#parts = parts;
    this.#keepsAccessTimes = keepsAccessTimes;
  }

  /** Counts one more who has it open. */
  open(node: Node, flags: number): void {
    const { stored } = this.#parts;
    stored.requireReadable(node);
    if ((flags & (O_ACCMODE | O_TRUNC)) !== 0) stored.requireWritable(node);
    node.opens++;
  }

  /** The node of a regular file; EISDIR or EINVAL for anything else. */
  file(ino: number): Node {
    const node = this.#parts.nodes.get(ino);
    if (isRegular(node.inode.mode)) {
      this.#parts.stored.requireReadable(node);
      return node;
    }
    return fail(isDirectory(node.inode.mode) ? "EISDIR" : "EINVAL");
  }

  /** Writes; the clock has been read. What goes wrong with what was left is told by fsync. */
  write(node: Node, request: WriteRequest): void {
    const { admission, writer, stored, dirty, left } = this.#parts;
    stored.requireWritable(node);
    const { offset, length } = request;
    if (offset < 0 || length < 0) fail("EINVAL");
    if (offset + length > FILE_BYTES_MAX) fail("EFBIG");
    if (length === 0) return;
    const kept = (exactly: boolean) => writer.keptCells(node, request, exactly);
    admission.writeOver(writer.cells(node, offset, length), kept);
    left.do(() => this.#writeNow(node, request), (error) => dirty.lost(node, error));
  }

  #writeNow(node: Node, request: WriteRequest): void {
    const { writer, privileges, nodes, clock } = this.#parts;
    if (privileges.drop(node, request.killSetId)) nodes.save(node);
    clock.modified(node.inode);
    writer.write(node, request);
    nodes.touch(node);
  }

  /** fallocate: sets space aside, punches holes, zeros ranges. */
  allocate(ino: number, range: { offset: number; length: number }, mode: number): void {
    const { nodes, privileges, clock } = this.#parts;
    const node = nodes.get(ino);
    const { offset, length } = range;
    if (!isRegular(node.inode.mode)) fail("ENODEV");
    this.#parts.stored.requireWritable(node);
    if (offset < 0 || length <= 0) fail("EINVAL");
    if (offset + length > FILE_BYTES_MAX) fail("EFBIG");
    HalfChanges.ofFile(this.#parts, node, () => {
      this.#changeSpace(node, offset, offset + length, mode);
      privileges.drop(node, false);
      clock.modified(node.inode);
      nodes.save(node);
    });
  }

  /** lseek: the next data or hole. */
  seek(node: Node, offset: number, whence: number): number {
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) fail("EINVAL");
    if (!this.#parts.store.readOnly) this.#parts.dirty.flush(node);
    return this.#parts.space.seek(node, offset, whence);
  }

  /** copy_file_range; the clock has been read. */
  copy(from: CopyPoint, to: CopyPoint, length: number): number {
    const source = this.file(from.ino);
    const target = this.file(to.ino);
    if (from.offset < 0 || to.offset < 0 || length < 0) fail("EINVAL");
    const available = Math.max(0, Math.min(length, source.size - from.offset));
    const isApart = Math.abs(from.offset - to.offset) >= available;
    if (source === target && available > 0 && !isApart) fail("EINVAL");
    const range = { offset: from.offset, length: available };
    const copied = this.#parts.copier.copy(source, range, (address, at, count) => {
      const offset = to.offset + at;
      this.write(target, { offset, length: count, address, buffer: null, killSetId: false });
    });
    if (copied > 0) this.access(source);
    return copied;
  }

  /** Someone read: relatime, in memory until the next flush. A full medium keeps no access times: they take cells. */
  access(node: Node): void {
    if (!this.#keepsAccessTimes) return;
    const { clock, nodes, store } = this.#parts;
    clock.tick();
    if (!clock.accessed(node.inode)) return;
    const cells = CELLS_PER_TIME * (nodes.staleCount + 1);
    if (store.space().freeCells >= cells) nodes.touch(node);
  }

  #changeSpace(node: Node, offset: number, end: number, mode: number): void {
    const { admission, space } = this.#parts;
    const keepsSize = (mode & FALLOC_KEEP_SIZE) !== 0;
    const action = mode & ~FALLOC_KEEP_SIZE;
    if (action === FALLOC_PUNCH_HOLE && keepsSize) {
      admission.replace(space.punchCells(node, offset, end));
      space.punch(node, offset, end);
    } else if (action === 0 || action === FALLOC_ZERO_RANGE) {
      const punches = action === FALLOC_ZERO_RANGE;
      const cells = space.allocateCells(node, { offset, end }, punches);
      admission.write(cells + (punches ? space.punchCells(node, offset, end) : 0));
      if (punches) space.punch(node, offset, end);
      space.allocate(node, offset, end);
      if (!keepsSize && end > node.size) space.truncate(node, end);
    } else {
      fail("EOPNOTSUPP");
    }
  }
}
