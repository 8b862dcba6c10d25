import { join } from "node:path";
import type { SecureStorage } from "../../core/crypto/platform.ts";
import { VaultError } from "../../core/errors.ts";
import { KEY_BYTES } from "../../core/limits.ts";
import { replaceFile } from "./replace_file.ts";

const OTHERS = 0o077; // permission bits of group and everybody else

/**
 * Device secrets as files of mode 0600 in a directory of mode 0700. The default on Linux: it survives a
 * reboot. Whoever reads the user's files, or a backup of them, has the secret.
 */
export function secretFiles(directory: string): SecureStorage {
  return {
    name: directory,
    async get(label) {
      return await readSecret(join(directory, checked(label)));
    },
    async set(label, secret) {
      await writeSecret(directory, checked(label), secret);
    },
    async remove(label) {
      try {
        await Deno.remove(join(directory, checked(label)));
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw failed("remove", directory, error);
      }
    },
  };
}

async function readSecret(path: string): Promise<Uint8Array | null> {
  try {
    using file = await Deno.open(path, { read: true });
    const { mode, uid, isFile, size } = await file.stat();
    checkPrivate(path, { mode, uid });
    if (!isFile || size !== KEY_BYTES) {
      throw new VaultError(
        "corrupt",
        `Cannot read the device secret "${path}": it is not a file of 32 bytes`,
      );
    }
    const secret = new Uint8Array(KEY_BYTES);
    for (let at = 0; at < KEY_BYTES;) {
      const count = await file.read(secret.subarray(at));
      if (count === null) {
        throw new VaultError("corrupt", `Cannot read the device secret "${path}": it is cut short`);
      }
      at += count;
    }
    return secret;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error instanceof VaultError ? error : failed("read", path, error);
  }
}

async function writeSecret(directory: string, label: string, secret: Uint8Array): Promise<void> {
  const path = join(directory, label);
  try {
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
    checkPrivate(directory, await Deno.stat(directory));
    await replaceFile(directory, path, secret);
  } catch (error) {
    throw error instanceof VaultError ? error : failed("write", path, error);
  }
}

function checkPrivate(path: string, info: { mode: number | null; uid: number | null }): void {
  if (info.uid !== null && info.uid !== Deno.uid()) {
    throw new VaultError(
      "denied",
      `Cannot use the device secret "${path}": it belongs to another user`,
    );
  }
  const mode = (info.mode ?? 0) & 0o777;
  if ((mode & OTHERS) === 0) return;
  throw new VaultError(
    "denied",
    `Cannot use the device secret "${path}": its mode ${mode.toString(8)} lets other users in; ` +
      `run chmod go= "${path}"`,
  );
}

function checked(label: string): string {
  if (/^[0-9a-z-]{1,64}$/.test(label)) return label;
  throw new VaultError(
    "invalid",
    `Cannot name a device secret "${label}": want letters and digits`,
  );
}

function failed(verb: string, path: string, cause: unknown): VaultError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new VaultError("unavailable", `Cannot ${verb} the device secret "${path}": ${why}`, {
    cause,
  });
}
