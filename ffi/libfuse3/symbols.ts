import { VaultError } from "../../core/errors.ts";

/** libfuse3 mounts and unmounts; the protocol itself is spoken in `loop.ts`. */
const SYMBOLS = {
  fuse_session_new: { parameters: ["buffer", "buffer", "usize", "pointer"], result: "pointer" },
  fuse_session_mount: { parameters: ["pointer", "buffer"], result: "i32" },
  fuse_session_fd: { parameters: ["pointer"], result: "i32" },
  fuse_session_unmount: { parameters: ["pointer"], result: "void" },
  unmountInPool: {
    name: "fuse_session_unmount",
    parameters: ["pointer"],
    result: "void",
    nonblocking: true,
  },
  fuse_session_destroy: { parameters: ["pointer"], result: "void" },
} as const;

/** Sonames by preference: 3.17 changed the number, not what is used here. */
const SONAMES = ["libfuse3.so.4", "libfuse3.so.3"];

export type Libfuse = Deno.DynamicLibrary<typeof SYMBOLS>;

/** Opens the libfuse3 of this machine. */
export function openLibfuse(): Libfuse {
  const failures: unknown[] = [];
  for (const soname of SONAMES) {
    try {
      return Deno.dlopen(soname, SYMBOLS);
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
      failures.push(error);
    }
  }
  throw new VaultError(
    "missing",
    `Cannot load "libfuse3": not installed (on Debian and Ubuntu: apt-get install fuse3 libfuse3-3)`,
    { cause: new AggregateError(failures) },
  );
}
