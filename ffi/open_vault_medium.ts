import { openMedium } from "../backends/open_medium.ts";
import type { OpenParts } from "../core/command/host.ts";
import type { StorageBackend } from "../core/storage/storage_backend.ts";
import { libcFileIo } from "./libc/file_io.ts";

/** Opens what a vault lies on, or will. What can only be read is so where it is opened to write; a file is made where it is not there. */
export async function openVaultMedium(
  name: string,
  { access, overwrite = false, isNew = false }: Pick<OpenParts, "access" | "overwrite" | "isNew">,
): Promise<StorageBackend> {
  return await openMedium(name, {
    create: access === "create",
    // Whoever overwrites a file was asked about it before.
    exclusive: access === "create" && (isNew || (name.startsWith("directory:") && !overwrite)),
    readOnly: access === "read",
    fallbackReadOnly: access === "write",
    io: libcFileIo(),
  });
}
