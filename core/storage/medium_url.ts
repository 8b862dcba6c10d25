import { fileURLToPath } from "node:url";
import { VaultError } from "../errors.ts";

/** The path of a medium that is named by a URL of this machine: `file:///path`, `directory:///path`. */
export function pathOfUrl(url: string): string {
  const schemeEnd = url.indexOf(":") + 1;
  try {
    return fileURLToPath(`file:${url.slice(schemeEnd)}`);
  } catch (cause) {
    const scheme = url.slice(0, schemeEnd).toLowerCase();
    throw new VaultError("invalid", `Cannot open "${url}": want ${scheme}///path`, {
      operation: "open",
      cause,
    });
  }
}
