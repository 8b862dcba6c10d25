import { VaultError } from "../../core/errors.ts";
import { addressOf, cString, type Libc, openLibc } from "../libc/symbols.ts";
import { KernelNotices } from "./kernel_notices.ts";
import type { ServedSession } from "./served_session.ts";
import { mountArgument, type MountOptions } from "./mount_options.ts";
import { raiseReadAhead } from "./read_ahead.ts";
import { prepareMountpoint } from "./stale_mount.ts";
import { type Libfuse, openLibfuse } from "./symbols.ts";

const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const EFD_FLAGS = O_CLOEXEC | O_NONBLOCK;
const O_RDWR = 2;
/** sizeof(struct fuse_lowlevel_ops) of libfuse 3.14: all null, because libfuse never reads a request. */
const OPERATIONS_BYTES = 352;
const POLLERR = 8;

/**
 * A mount, seen from the thread that made it. The thread must stay free (the kernel may write dirty data while unmounting), so
 * another one serves `descriptor` with `serveSession`.
 */
export interface Session extends ServedSession {
  readonly mountpoint: string;
  /** Tells the kernel what to forget. */
  readonly notices: KernelNotices;
  /** Makes the serving thread look at its messages. */
  wake(): void;
  /**
   * Raises the kernel's readahead where this process may (root only); call it when the mount is ready. False where it
   * could not.
   */
  raiseReadAhead(kibibytes: number): Promise<boolean>;
  /**
   * Unmounts while the other thread goes on serving until `serveSession` returns. `"busy"`: somebody still uses the mount; it
   * is out of sight, and is served until its last user leaves.
   */
  unmount(): Promise<"unmounted" | "busy">;
  /**
   * Cuts the connection: whoever uses the mount gets ENOTCONN, what was not synced is lost. For a serving thread that died, and for
   * impatient users.
   */
  abort(): void;
  /** Gives everything back; call it after `serveSession` returned. */
  close(): Promise<void>;
}

/** Mounts on `mountpoint`, cleaning up dead mounts there first. Requests queue until `descriptor` is served. */
export function mountSession(mountpoint: string, options: MountOptions): Session {
  const argument = mountArgument(options);
  const libc = openLibc();
  let fuse: Libfuse | null = null;
  try {
    prepareMountpoint(libc, mountpoint);
    fuse = openLibfuse();
    const handle = mountHandle(fuse, mountpoint, argument);
    return new MountedSession(libc, fuse, { handle, mountpoint });
  } catch (error) {
    fuse?.close();
    libc.close();
    throw error;
  }
}

/** Creates a libfuse session and mounts it. */
function mountHandle(fuse: Libfuse, mountpoint: string, argument: string): Deno.PointerObject {
  const strings = ["sigmavault", "-o", argument].map(padded);
  const argv = new BigUint64Array(new ArrayBuffer(128));
  strings.forEach((bytes, index) => argv[index] = addressOf(bytes));
  // struct fuse_args: int argc, char **argv, int allocated.
  const args = new DataView(new ArrayBuffer(128));
  args.setInt32(0, strings.length, true);
  args.setBigUint64(8, addressOf(new Uint8Array(argv.buffer)), true);
  const operations = new Uint8Array(OPERATIONS_BYTES);
  const handle = fuse.symbols.fuse_session_new(
    new Uint8Array(args.buffer),
    operations,
    BigInt(OPERATIONS_BYTES),
    null,
  );
  // The strings must live until here: libfuse has copied them now.
  if (handle === null || strings.length === 0) {
    throw new VaultError("invalid", `Cannot mount on "${mountpoint}": bad option in "${argument}"`);
  }
  if (fuse.symbols.fuse_session_mount(handle, cString(mountpoint)) !== 0) {
    fuse.symbols.fuse_session_destroy(handle);
    throw new VaultError(
      "unavailable",
      `Cannot mount on "${mountpoint}": refused by the system (see the line above; ` +
        `is /dev/fuse there, and is the mount point yours?)`,
    );
  }
  return handle;
}

/** A C string in memory that does not move. */
function padded(text: string): Uint8Array {
  const string = cString(text);
  const bytes = new Uint8Array(new ArrayBuffer(Math.max(128, string.length)));
  bytes.set(string);
  return bytes;
}

interface Mounted {
  readonly handle: Deno.PointerObject;
  readonly mountpoint: string;
}

class MountedSession implements Session {
  readonly mountpoint: string;
  readonly descriptor: number;
  readonly wakeDescriptor: number;
  readonly notices: KernelNotices;
  readonly #libc: Libc;
  readonly #fuse: Libfuse;
  readonly #handle: Deno.PointerObject;
  #unmounting: Promise<"unmounted" | "busy"> | null = null;
  #readAhead: Promise<boolean> | null = null;
  #aborted = false;
  #libfuseHoldsMount = true;
  #closed = false;

  constructor(libc: Libc, fuse: Libfuse, mounted: Mounted) {
    this.#libc = libc;
    this.#fuse = fuse;
    this.#handle = mounted.handle;
    this.mountpoint = mounted.mountpoint;
    const { fcntl, eventfd } = libc.symbols;
    // libfuse closes its own descriptor while unmounting; the duplicate keeps the connection alive until all is written.
    this.descriptor = fcntl(fuse.symbols.fuse_session_fd(mounted.handle), F_DUPFD_CLOEXEC, 0);
    this.wakeDescriptor = eventfd(0, EFD_FLAGS);
    if (this.descriptor < 0 || this.wakeDescriptor < 0) {
      fuse.symbols.fuse_session_unmount(mounted.handle);
      throw new VaultError("unavailable", "Cannot mount: no file descriptor left");
    }
    fcntl(this.descriptor, F_SETFL, fcntl(this.descriptor, F_GETFL, 0) | O_NONBLOCK);
    this.notices = new KernelNotices(libc, this.descriptor);
  }

  wake(): void {
    if (this.#closed) return;
    const one = new Uint8Array(8);
    one[0] = 1;
    this.#libc.symbols.write(this.wakeDescriptor, one, 8n);
  }

  raiseReadAhead(kibibytes: number): Promise<boolean> {
    const raised = raiseReadAhead(this.#libc, this.mountpoint, kibibytes);
    this.#readAhead = raised;
    return raised;
  }

  unmount(): Promise<"unmounted" | "busy"> {
    this.#unmounting ??= this.#unmount();
    return this.#unmounting;
  }

  async #unmount(): Promise<"unmounted" | "busy"> {
    if (this.#aborted || this.#closed || !this.#connected()) return "unmounted";
    const path = cString(this.mountpoint);
    if (await this.#libc.symbols.umount2InPool(path, 0) === 0) return "unmounted";
    // Busy, or not root: libfuse detaches the mount, through fusermount3 where it must.
    this.#libfuseHoldsMount = false;
    await this.#fuse.symbols.unmountInPool(this.#handle);
    return this.#connected() ? "busy" : "unmounted";
  }

  /** False once the kernel has ended the connection. */
  #connected(): boolean {
    const set = new DataView(new ArrayBuffer(128));
    set.setInt32(0, this.descriptor, true);
    const ready = this.#libc.symbols.poll(addressOf(new Uint8Array(set.buffer)), 1n, 0);
    return ready >= 0 && (set.getInt16(6, true) & POLLERR) === 0;
  }

  abort(): void {
    if (this.#closed || this.#aborted) return;
    this.#aborted = true;
    const { symbols } = this.#libc;
    // The number must stay taken as long as the serving thread may use it, so /dev/null takes the device's place: reading
    // that says "end". The kernel ends the connection when the last reference to the device is gone.
    const nothing = symbols.open(cString("/dev/null"), O_RDWR | O_CLOEXEC);
    symbols.dup3(nothing, this.descriptor, O_CLOEXEC);
    symbols.close(nothing);
    this.wake();
    this.#letGo();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // Calls under way in the pool still use the libraries and the session.
    await Promise.allSettled([this.#unmounting, this.#readAhead, this.notices.finish()]);
    this.#libc.symbols.close(this.descriptor);
    this.#letGo();
    this.#libc.symbols.close(this.wakeDescriptor);
    this.#fuse.symbols.fuse_session_destroy(this.#handle);
    this.#fuse.close();
    this.#libc.close();
  }

  /** Lets libfuse close its descriptor, and detach the mount if there still is one. */
  #letGo(): void {
    if (!this.#libfuseHoldsMount) return;
    this.#libfuseHoldsMount = false;
    this.#fuse.symbols.fuse_session_unmount(this.#handle);
  }
}
