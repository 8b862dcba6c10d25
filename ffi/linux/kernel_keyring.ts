import type { SecureStorage } from "../../core/crypto/platform.ts";
import { VaultError } from "../../core/errors.ts";
import { KEY_BYTES } from "../../core/limits.ts";

const NUMBERS = {
  x86_64: { addKey: 248n, keyctl: 250n },
  aarch64: { addKey: 217n, keyctl: 219n },
} as const;

const KEYCTL = { setPermissions: 5n, unlink: 9n, search: 10n, read: 11n } as const;
const USER_KEYRING = -4n;
/** Possessor and user: everything. Group and others: nothing. */
const PERMISSIONS = 0x3f3f0000n;
const ENOKEY = 126n;
/** Names of keys start so, to keep apart from those of other programs. */
const NAME_PREFIX = "sigmavault:";

/** libc's `syscall` by the shapes used here: its arguments are words on every Linux that Deno runs on. */
const SYMBOLS = {
  plain: { name: "syscall", parameters: ["i64", "i64", "i64", "i64"], result: "i64" },
  search: {
    name: "syscall",
    parameters: ["i64", "i64", "i64", "buffer", "buffer", "i64"],
    result: "i64",
  },
  read: { name: "syscall", parameters: ["i64", "i64", "i64", "buffer", "i64"], result: "i64" },
  addKey: {
    name: "syscall",
    parameters: ["i64", "buffer", "buffer", "buffer", "i64", "i64"],
    result: "i64",
  },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

/**
 * Device secrets in the kernel's keyring of this user, when asked for. It never touches a disk, and therefore
 * forgets at reboot: keep a passphrase or a recovery code as well.
 */
export function kernelKeyring(): SecureStorage & Disposable {
  const numbers = NUMBERS[Deno.build.arch];
  const library = Deno.dlopen("libc.so.6", SYMBOLS);
  const { symbols } = library;
  const type = cString("user");

  /** The result, or minus the error number. */
  function settle(result: bigint): bigint {
    if (result !== -1n) return result;
    const at = symbols.__errno_location();
    return at === null ? result : -BigInt(new Deno.UnsafePointerView(at).getInt32());
  }

  function find(label: string): bigint | null {
    const name = cString(NAME_PREFIX + label);
    const { keyctl } = numbers;
    const id = settle(symbols.search(keyctl, KEYCTL.search, USER_KEYRING, type, name, 0n));
    return id === -ENOKEY ? null : good("find", id);
  }

  function get(label: string): Uint8Array | null {
    const id = find(label);
    if (id === null) return null;
    const secret = new Uint8Array(KEY_BYTES);
    const size = BigInt(KEY_BYTES);
    const length = settle(symbols.read(numbers.keyctl, KEYCTL.read, id, secret, size));
    return secret.subarray(0, Number(good("read", length)));
  }

  function set(label: string, secret: Uint8Array): void {
    const name = cString(NAME_PREFIX + label);
    const payload = new Uint8Array(secret);
    const size = BigInt(KEY_BYTES);
    const id = settle(symbols.addKey(numbers.addKey, type, name, payload, size, USER_KEYRING));
    payload.fill(0);
    good("write", id);
    const set = symbols.plain(numbers.keyctl, KEYCTL.setPermissions, id, PERMISSIONS);
    good("write", settle(set));
  }

  function remove(label: string): void {
    const id = find(label);
    if (id === null) return;
    good("remove", settle(symbols.plain(numbers.keyctl, KEYCTL.unlink, id, USER_KEYRING)));
  }

  return {
    name: "kernel keyring",
    get: (label) => soon(() => get(label)),
    set: (label, secret) => soon(() => set(label, secret)),
    remove: (label) => soon(() => remove(label)),
    [Symbol.dispose]: () => library.close(),
  };
}

/** A promise of what is there at once; a thrown error rejects it. */
function soon<T>(run: () => T): Promise<T> {
  return Promise.resolve().then(run);
}

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text + "\0");
}

function good(verb: string, result: bigint): bigint {
  if (result >= 0n) return result;
  throw new VaultError(
    "unavailable",
    `Cannot ${verb} a device secret in the kernel keyring: error ${-result}; use the secret files instead`,
  );
}
