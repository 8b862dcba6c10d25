import { VaultError } from "../errors.ts";
import { statOrNull } from "./copy_tree.ts";
import type { Host } from "./host.ts";

/** A vault as it is typed: `vault.sv#photos@monday`. */
export interface VaultName {
  /** A medium, or the mount point of a running mount. */
  readonly medium: string;
  /** What follows the last `#`: a volume, or a snapshot of one; null where there is none. */
  readonly view: string | null;
}

/** Takes a typed name apart. Where the whole is a file, it is a medium. */
export async function splitVaultName(
  host: Pick<Host, "local" | "pathOf">,
  typed: string,
): Promise<VaultName> {
  const cut = typed.lastIndexOf("#");
  if (cut < 1 || await exists(host, typed)) return { medium: typed, view: null };
  return { medium: typed.slice(0, cut), view: typed.slice(cut + 1) };
}

async function exists(
  { local, pathOf }: Pick<Host, "local" | "pathOf">,
  name: string,
): Promise<boolean> {
  const path = pathOf(name);
  if (path === null) return false;
  try {
    return await statOrNull(local, path) !== null;
  } catch (error) {
    // Who may look at the medium only is not asking for another one.
    if (error instanceof VaultError && error.kind === "denied") return false;
    throw error;
  }
}

/** A volume, or a snapshot of it. */
export interface ViewName {
  readonly volume: string;
  readonly snapshot: string | null;
}

/** What a view names: `volume`, `volume@snapshot` or `@snapshot` of the volume that is meant without a name. Either may hold an `@`. */
export function viewName(view: string, volumes: readonly string[], fallback: string): ViewName {
  if (view === "") return { volume: fallback, snapshot: null };
  if (volumes.includes(view)) return { volume: view, snapshot: null };
  for (let at = view.indexOf("@"); at >= 0; at = view.indexOf("@", at + 1)) {
    const volume = view.slice(0, at) || fallback;
    if (volumes.includes(volume)) return { volume, snapshot: view.slice(at + 1) };
  }
  throw new VaultError("missing", `Cannot find volume "${view}": there is none of this name`);
}
