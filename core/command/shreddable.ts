/**
 * `shreddable`: directories whose files can be shredded by forgetting a secret.
 *
 * @module
 */
import type { ControlCall, ControlVerb } from "../vault/control.ts";
import type { VaultFiles } from "../vault/files.ts";
import { placeOf } from "./lock.ts";
import { type VaultTarget, withVault } from "./open.ts";
import { pathBytes } from "./path_text.ts";
import { printable } from "./terminal/colours.ts";
import { mountedView, withView } from "./view_tree.ts";
import { VaultError } from "../errors.ts";

/** What is asked of a directory: to be marked or not, or only how it is. */
export type ShreddableOrder = "on" | "off" | "show";

/** How it is with a directory now. */
export interface ShreddableReport {
  /** In the vault. */
  readonly path: string;
  readonly shreddable: boolean;
}

/** Marks a directory, or tells how it is: of the medium, or, without a path, one inside a mount. */
export async function markShreddable(
  target: VaultTarget,
  typed: string | undefined,
  order: ShreddableOrder,
): Promise<ShreddableReport> {
  const { medium, view, path, mount } = await placeOf(target.host, target.medium, typed);
  if (mount !== null) {
    try {
      if (await mountedView(mount, view) !== "") throw ofSnapshot(path);
      const options = { path: pathBytes(path).slice(), order };
      const answer = await mount.call("shreddable", options) as { readonly shreddable: boolean };
      return { path, ...answer };
    } finally {
      mount.close();
    }
  }
  return await withVault(
    { ...target, medium },
    order === "show" ? "read" : "write",
    (vault) =>
      withView(vault, view, async ({ files, readOnly }) => {
        if (readOnly && order !== "show") throw ofSnapshot(path);
        return { path, shreddable: await marked(files, pathBytes(path), order) };
      }),
  );
}

async function marked(
  files: Pick<VaultFiles, "setShreddable" | "stat" | "sync">,
  path: Uint8Array,
  order: ShreddableOrder,
): Promise<boolean> {
  if (order !== "show") {
    await files.setShreddable(path, order === "on");
    await files.sync();
  }
  return (await files.stat(path)).shreddable;
}

/** The same in the process that mounted the vault, and what shredding a file of it would do. */
export const SHREDDABLE_VERBS: Readonly<Record<string, ControlVerb>> = {
  shreddable: async ({ vault: { files }, transaction, options }: ControlCall) => {
    transaction.requireOneVolume("mark a directory");
    const { path, order } = options;
    if (!(path instanceof Uint8Array)) {
      throw new VaultError("invalid", 'Cannot mark a directory: option "path" is wrong');
    }
    return {
      shreddable: await marked(files, path, order === "on" || order === "off" ? order : "show"),
    };
  },
  "shred kind": async ({ vault, transaction, options: { path } }: ControlCall) => {
    transaction.requireOneVolume("shred a file");
    if (!(path instanceof Uint8Array)) {
      throw new VaultError("invalid", 'Cannot shred a file: option "path" is wrong');
    }
    return { onlyForgets: await vault.files.onlyForgets(path) };
  },
};

function ofSnapshot(path: string): VaultError {
  return new VaultError("invalid", `Cannot mark "${path}": a snapshot cannot be changed`);
}

/** For people. */
export function shreddableText({ path, shreddable }: ShreddableReport): string {
  return `${printable(path)} is ${shreddable ? "" : "not "}shreddable\n`;
}
