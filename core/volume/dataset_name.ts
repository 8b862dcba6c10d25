import { VaultError } from "../errors.ts";
import { nameBytes } from "../format/catalog_record.ts";

/** Refuses a name that no volume and no snapshot can have. */
export function checkName(name: string): void {
  if (nameBytes(name) !== null) return;
  throw new VaultError(
    "invalid",
    `Cannot use the name "${name}": want 1 to 255 bytes without "/", "#" and control characters`,
  );
}
