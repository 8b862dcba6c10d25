import { join } from "node:path";
import type { RootMemory } from "../../core/crypto/platform.ts";
import { VaultError } from "../../core/errors.ts";
import { KIB } from "../../core/limits.ts";
import { replaceFile } from "./replace_file.ts";

/** A record has some hundred bytes; what is longer is none. */
const RECORD_BYTES_MAX = KIB;

/**
 * What this device remembers, as files of mode 0600 in a directory of mode 0700. Where Deno or the system does not permit
 * to read or write there, or there is no place (`null`), nothing is remembered, and nobody is asked.
 */
export function memoryFiles(directory: string | null): RootMemory {
  return {
    async get(label) {
      if (directory === null || !await isPermitted("read", directory)) return null;
      const path = join(directory, checked(label));
      try {
        return await readRecord(path);
      } catch (error) {
        return unlessMissing(error, `read "${path}"`);
      }
    },
    async set(label, record) {
      if (directory === null) return;
      if (!await isPermitted("read", directory) || !await isPermitted("write", directory)) return;
      const path = join(directory, checked(label));
      try {
        await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
        await replaceFile(directory, path, record);
      } catch (error) {
        unlessMissing(error, `write "${path}"`);
      }
    },
  };
}

async function isPermitted(name: "read" | "write", path: string): Promise<boolean> {
  return (await Deno.permissions.query({ name, path })).state === "granted";
}

async function readRecord(path: string): Promise<Uint8Array> {
  using file = await Deno.open(path, { read: true });
  const bytes = new Uint8Array(RECORD_BYTES_MAX);
  let length = 0;
  for (let count; (count = await file.read(bytes.subarray(length))) !== null && count > 0;) {
    length += count;
  }
  return bytes.slice(0, length);
}

const SILENT = ["EACCES", "EPERM", "EROFS"];

/** Nothing to find, and nobody to tell: null. */
function unlessMissing(error: unknown, what: string): null {
  const { NotFound, NotCapable, PermissionDenied } = Deno.errors;
  const kinds = [NotFound, NotCapable, PermissionDenied];
  const { code = "" } = error as { readonly code?: string };
  if (kinds.some((kind) => error instanceof kind) || SILENT.includes(code)) return null;
  const why = error instanceof Error ? error.message : String(error);
  throw new VaultError("unavailable", `Cannot ${what}: ${why}`, { cause: error });
}

function checked(label: string): string {
  if (/^[0-9a-f]{1,64}$/.test(label)) return label;
  throw new VaultError("invalid", `Cannot name a record "${label}": want hexadecimal digits`);
}
