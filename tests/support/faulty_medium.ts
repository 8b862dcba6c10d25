import { fromSystemError } from "../../backends/file/system_error.ts";
import type {
  DirectAccess,
  StorageBackend,
  StorageCapabilities,
} from "../../core/storage/storage_backend.ts";

type FaultyOperation = "read" | "write" | "sync" | "truncate" | "discard";

/**
 * A medium that misbehaves when told to: fails, runs full, flips bits, or brings older content back.
 * Wraps a medium with direct access and closes it.
 */
export class FaultyMedium implements StorageBackend {
  readonly name: string;
  readonly supportsSparse: boolean;
  readonly capabilities: StorageCapabilities;
  readonly direct: DirectAccess;
  readonly #inner: StorageBackend;
  readonly #innerDirect: DirectAccess;
  /** Calls left until the operation fails, and how. */
  readonly #failures = new Map<FaultyOperation, { callsLeft: number; errno: string }>();
  #writableBytesLeft = Infinity;

  /** Wraps `inner`, without faults at first. */
  constructor(inner: StorageBackend) {
    if (inner.direct === undefined) throw new TypeError("a faulty medium wraps direct access");
    const direct = inner.direct;
    this.#inner = inner;
    this.#innerDirect = direct;
    this.name = inner.name;
    this.supportsSparse = inner.supportsSparse;
    this.capabilities = inner.capabilities;
    this.direct = {
      read: (offset, into) => {
        this.#mayFail("read");
        direct.read(offset, into);
      },
      write: (offset, from) => this.#write(offset, from),
      size: () => direct.size(),
      sync: () => {
        this.#mayFail("sync");
        direct.sync();
      },
      truncate: (size) => {
        this.#mayFail("truncate");
        direct.truncate(size);
      },
      discard: (offset, size) => {
        this.#mayFail("discard");
        direct.discard(offset, size);
      },
    };
  }

  /** Makes the `nth` call from now (1 is the next) fail once with `errno`, for example `"EIO"`. */
  fail(operation: FaultyOperation, nth: number, errno: string): void {
    this.#failures.set(operation, { callsLeft: nth, errno });
  }

  /** Takes `bytes` more bytes of writes, then answers `ENOSPC`. `Infinity` makes room again. */
  runFullAfter(bytes: number): void {
    this.#writableBytesLeft = bytes;
  }

  /** Flips bit 0 to 7 of the byte at `offset`, as bit rot does. */
  flipBit(offset: number, bit: number): void {
    const byte = new Uint8Array(1);
    this.#innerDirect.read(offset, byte);
    byte[0] ^= 1 << bit;
    this.#innerDirect.write(offset, byte);
  }

  /** Exchanges two ranges of `size` bytes, as an attacker does. */
  swap(a: number, b: number, size: number): void {
    const [first, second] = [this.capture(a, size), this.capture(b, size)];
    this.replay(a, second);
    this.replay(b, first);
  }

  /** What a range holds now, to bring back later with {@linkcode replay}. */
  capture(offset: number, size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    this.#innerDirect.read(offset, bytes);
    return bytes;
  }

  /** Puts older content back under the vault. */
  replay(offset: number, older: Uint8Array): void {
    this.#innerDirect.write(offset, older);
  }

  /** See {@linkcode StorageBackend.read}. */
  // deno-lint-ignore require-await
  async read(offset: number, size: number): Promise<Uint8Array<ArrayBuffer>> {
    this.#mayFail("read");
    return this.#inner.read(offset, size);
  }

  /** See {@linkcode StorageBackend.write}. */
  // deno-lint-ignore require-await
  async write(offset: number, data: Uint8Array): Promise<void> {
    this.#write(offset, data);
  }

  /** See {@linkcode StorageBackend.size}. */
  size(): Promise<number> {
    return this.#inner.size();
  }

  /** See {@linkcode StorageBackend.sync}. */
  async sync(): Promise<void> {
    this.#mayFail("sync");
    await this.#inner.sync();
  }

  /** See {@linkcode StorageBackend.truncate}. */
  async truncate(size: number): Promise<void> {
    this.#mayFail("truncate");
    await this.#inner.truncate(size);
  }

  /** See {@linkcode StorageBackend.discard}. */
  async discard(offset: number, size: number): Promise<void> {
    this.#mayFail("discard");
    await this.#inner.discard(offset, size);
  }

  /** Closes the wrapped medium. */
  close(): Promise<void> {
    return this.#inner.close();
  }

  #write(offset: number, from: Uint8Array): void {
    this.#mayFail("write");
    const fits = Math.min(from.length, this.#writableBytesLeft);
    this.#writableBytesLeft -= fits;
    // A disk that runs full takes the bytes that still fit.
    this.#innerDirect.write(offset, from.subarray(0, fits));
    if (fits < from.length) throw this.#failure("write", "ENOSPC");
  }

  #mayFail(operation: FaultyOperation): void {
    const planned = this.#failures.get(operation);
    if (planned === undefined) return;
    planned.callsLeft--;
    if (planned.callsLeft > 0) return;
    this.#failures.delete(operation);
    throw this.#failure(operation, planned.errno);
  }

  #failure(operation: FaultyOperation, errno: string): Error {
    const cause = Object.assign(new Error("injected"), { code: errno });
    return fromSystemError(cause, operation, this.name);
  }
}
