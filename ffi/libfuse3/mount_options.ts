import { VaultError } from "../../core/errors.ts";

/** How to mount. */
export interface MountOptions {
  /** What `df` and `mount` show as the source. */
  readonly source: string;
  /** Users other than the one who mounts may enter (needs `user_allow_other` in fuse.conf unless root). */
  readonly allowOther?: boolean;
  readonly readOnly?: boolean;
  /** More options as mount(8) takes them, such as `noatime`, and for root `suid` and `dev`. */
  readonly extra?: readonly string[];
}

/** READs of one job of the crypto workers: several of them are under way at once. */
const READ_BYTES_MAX = 256 * 1024;

/** Shown by `mount` as `fuse.sigmavault`. */
const SUBTYPE = "sigmavault";

/** Commas end an option and backslashes escape: both are allowed inside a source's name. */
function escape(value: string): string {
  return value.replace(/[\\,]/g, (special) => `\\${special}`);
}

/** The `-o` argument for libfuse. */
export function mountArgument(options: MountOptions): string {
  const parts = [
    `fsname=${escape(options.source)}`,
    `subtype=${SUBTYPE}`,
    `max_read=${READ_BYTES_MAX}`,
    "default_permissions",
  ];
  if (options.allowOther === true) parts.push("allow_other");
  if (options.readOnly === true) parts.push("ro");
  for (const option of options.extra ?? []) {
    if (!/^[a-z_]+(=[^,\\\0]*)?$/.test(option)) {
      throw new VaultError("invalid", `Cannot use mount option ${JSON.stringify(option)}`);
    }
    parts.push(option);
  }
  const argument = parts.join(",");
  if (argument.includes("\0")) throw new VaultError("invalid", "Cannot mount: NUL in an option");
  return argument;
}
