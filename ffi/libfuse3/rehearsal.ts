/**
 * A fresh mount is slow at first: until V8 has seen a function run some hundred times, it interprets it. So the serving thread rehearses
 * while it waits for the key, or, where it could not, in its first second without requests: it answers requests that nobody made, over
 * a filesystem that nobody sees, by the same code that serves the real one. Their replies go to /dev/null.
 *
 * @module
 */
import { assert } from "../../core/assert.ts";
import { getU64 } from "../../core/bytes.ts";
import type { FileSystem } from "../../core/fs/file_system.ts";
import { KIB } from "../../core/limits.ts";
import { cString, type Libc, openLibc } from "../libc/symbols.ts";
import { DeviceChannel } from "./device_channel.ts";
import { Dispatcher } from "./dispatch.ts";
import { fillRequest, type RequestParts } from "./made_request.ts";
import {
  ENTRY_OUT,
  FATTR,
  O_CREAT,
  OPCODE,
  OUT_HEADER,
  ROOT_NODE,
  SETATTR_IN,
} from "./protocol.ts";
import { OpenHandles } from "./open_handles.ts";
import { Reply, timeoutOf } from "./reply.ts";
import { type KernelMemory, RequestBuffers } from "./request_buffers.ts";

const O_WRONLY = 1;
const REQUEST_BUFFERS = 2;
const WRITE_BYTES_MAX = 128 * KIB;
/** Of the files of a round: some stay in the tree, some take part of a block, some take several. */
const FILE_BYTES = [700, 1900, 3000, 3500, 5000, 9000, 20_000, 70_000];
const READ_BYTES = 32 * KIB;
const LISTING_BYTES = 4 * KIB;
/**
 * The first rounds take 20, 5 and 4 ms, from the fourteenth on one takes 1.5. More of them would take as much from the thread that
 * derives the key as they give, and later keep an idle mount busy.
 */
const ROUNDS = 14;

const NO_WORDS: readonly number[] = [];
const OPEN = [0, 0];
const RELEASE = [0, 0, 0, 0, 0, 0];
const GETATTR = [0, 0, 0, 0];
const CREATE = [O_CREAT | O_WRONLY, 0o644, 0o022, 0];
const MKDIR = [0o755, 0o022];
/** What tar changes of a file that it has written. */
const CHANGES = [FATTR.MODE, FATTR.UID | FATTR.GID, FATTR.ATIME | FATTR.MTIME];

/** See the module's text. */
export class Rehearsal {
  readonly #libc: Libc = openLibc();
  readonly #descriptor: number;
  readonly #reply = new Reply();
  readonly #dispatcher: Dispatcher;
  readonly #buffers: RequestBuffers;
  readonly #play: Generator<void>;
  #failure: unknown;

  /** Plays on an empty `fileSystem`, which it leaves empty when it is played to the end. */
  constructor(fileSystem: FileSystem, kernel: KernelMemory) {
    const reply = this.#reply;
    this.#descriptor = this.#libc.symbols.open(cString("/dev/null"), O_WRONLY);
    this.#buffers = new RequestBuffers(kernel, REQUEST_BUFFERS, WRITE_BYTES_MAX);
    const second = timeoutOf(1);
    this.#dispatcher = new Dispatcher({
      handles: new OpenHandles(),
      fileSystem,
      settings: {
        timeouts: { entry: second, attr: second, negative: second },
        writeBytesMax: WRITE_BYTES_MAX,
        writebackCache: false,
      },
      reply,
      channel: new DeviceChannel(this.#libc, this.#descriptor, { reply, kernel }),
      buffer: this.#buffers.take(),
      interruptGraceMs: 0,
      report: (error) => this.#failure ??= error,
    });
    this.#play = this.#rounds();
  }

  /** Plays the next file or two; false when there is nothing more to learn. */
  step(): boolean {
    return this.#play.next().done !== true;
  }

  /** Gives back what it holds. */
  close(): void {
    this.#libc.symbols.close(this.#descriptor);
    this.#libc.close();
  }

  *#rounds(): Generator<void> {
    for (let round = 0; round < ROUNDS; round++) yield* this.#round(`directory ${round}`);
  }

  /** A directory of files is made, listed, read and removed, as programs do it. */
  *#round(name: string): Generator<void> {
    const directory = this.#ask(OPCODE.MKDIR, ROOT_NODE, { words: MKDIR, name });
    const names = FILE_BYTES.map((size) => `file of ${size}`);
    for (const [i, name] of names.entries()) yield this.#unpack(directory, name, FILE_BYTES[i]);
    this.#list(directory);
    for (const name of names) yield this.#read(directory, name);
    for (const name of names) yield void this.#ask(OPCODE.UNLINK, directory, { name });
    this.#ask(OPCODE.RMDIR, ROOT_NODE, { name });
  }

  #unpack(directory: number, name: string, size: number): void {
    this.#ask(OPCODE.LOOKUP, directory, { name });
    const file = this.#ask(OPCODE.CREATE, directory, { words: CREATE, name });
    this.#ask(OPCODE.WRITE, file, { words: span(size), dataBytes: size });
    for (const valid of CHANGES) {
      const words = new Array<number>(SETATTR_IN.bytes / 4).fill(0);
      words[SETATTR_IN.valid / 4] = valid;
      words[SETATTR_IN.mode / 4] = 0o600;
      this.#ask(OPCODE.SETATTR, file, { words });
    }
    this.#ask(OPCODE.RELEASE, file, { words: RELEASE });
  }

  #list(directory: number): void {
    this.#ask(OPCODE.OPENDIR, directory, { words: OPEN });
    this.#ask(OPCODE.READDIRPLUS, directory, { words: span(LISTING_BYTES) });
    this.#ask(OPCODE.RELEASEDIR, directory, { words: RELEASE });
  }

  #read(directory: number, name: string): void {
    const file = this.#ask(OPCODE.LOOKUP, directory, { name });
    this.#ask(OPCODE.GETATTR, file, { words: GETATTR });
    this.#ask(OPCODE.OPEN, file, { words: OPEN });
    this.#ask(OPCODE.READ, file, { words: span(READ_BYTES) });
    this.#ask(OPCODE.RELEASE, file, { words: RELEASE });
  }

  /** Has a request answered; returns the inode where the reply begins with an entry. */
  #ask(
    opcode: number,
    node: number,
    { words = NO_WORDS, ...parts }: Partial<RequestParts>,
  ): number {
    const buffer = this.#buffers.take();
    this.#dispatcher.answer(buffer, fillRequest(buffer, { opcode, node }, { words, ...parts }));
    const { view } = this.#reply;
    if (this.#failure !== undefined) throw this.#failure;
    assert(view.getInt32(OUT_HEADER.error, true) === 0, "a rehearsed request succeeds");
    return getU64(view, OUT_HEADER.bytes + ENTRY_OUT.nodeId);
  }
}

/** The body of a READ, READDIRPLUS or WRITE of the first `size` bytes. */
function span(size: number): number[] {
  return [0, 0, 0, 0, size, 0, 0, 0, 0, 0];
}
