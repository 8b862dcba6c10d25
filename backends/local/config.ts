import { VaultError } from "../../core/errors.ts";

/** How to open a directory whose files are objects. */
export interface LocalObjectsConfig {
  /** The directory; it is made where it is not there. */
  readonly path: string;
  /** Bytes that one object may have; 16 TiB unless given. */
  readonly objectBytesMax?: number;
}

/** Checks what a caller gave. */
export function checkLocalObjectsConfig({ path }: LocalObjectsConfig): void {
  if (typeof path === "string" && path !== "" && !path.includes("\0")) return;
  throw new VaultError("invalid", `Cannot open storage: want the path of a directory`, {
    provider: "local",
  });
}
