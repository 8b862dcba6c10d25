import type { ControlVerb } from "../vault/control.ts";

/** Verbs that a running mount understands. */
export const CONTROL_VERBS: Readonly<Record<string, ControlVerb>> = {
  /** Makes everything durable. */
  commit: async (vault) => {
    await vault.commit();
    return {};
  },
};
