import { VaultError } from "../errors.ts";
import type { Vault } from "./vault.ts";

/** A verb of a running mount: takes options, returns a JSON value. */
export type ControlVerb = (
  vault: Vault,
  options: Readonly<Record<string, string | number | boolean | null>>,
) => unknown | Promise<unknown>;

/** Runs a verb of the control socket on an open vault. */
export async function runControlVerb(
  verbs: Readonly<Record<string, ControlVerb>>,
  vault: Vault,
  request: { verb: string; options: Readonly<Record<string, string | number | boolean | null>> },
): Promise<unknown> {
  const verb = Object.hasOwn(verbs, request.verb) ? verbs[request.verb] : undefined;
  if (verb === undefined) {
    throw new VaultError(
      "invalid",
      `Cannot run "${request.verb}" on a running mount: unmount first, or update the mounting program`,
    );
  }
  return await verb(vault, request.options);
}
