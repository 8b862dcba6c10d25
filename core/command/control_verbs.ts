import { VaultError } from "../errors.ts";
import type { ControlVerb } from "../vault/control.ts";
import { listSlots, removeSlot } from "../volume/header_slots.ts";
import { describeVault } from "./describe.ts";
import { slotRow } from "./keys.ts";

/** Verbs that a running mount understands. */
export const CONTROL_VERBS: Readonly<Record<string, ControlVerb>> = {
  /** Makes everything durable. */
  commit: async (vault) => {
    await vault.commit();
    return {};
  },
  "info": async (vault) => ({
    ...await describeVault(vault),
    mounted: true,
    keySlots: (await listSlots(vault.header)).map(slotRow),
  }),
  check: async (vault) => {
    const { checkVault } = await import("../vault/check.ts");
    return await checkVault(vault);
  },
  resize: async (vault, { sizeBytes }) => {
    if (typeof sizeBytes !== "number") {
      throw new VaultError("invalid", "Cannot resize: say the size in bytes");
    }
    const { resizeVault } = await import("../vault/resize.ts");
    return await resizeVault(vault, sizeBytes);
  },
  compact: async (vault) => {
    const { compactOpened } = await import("./maintenance.ts");
    return await compactOpened(vault);
  },
  "key list": async (vault) => (await listSlots(vault.header)).map(slotRow),
  "key remove": async (vault, { slot }) => {
    if (typeof slot !== "number") {
      throw new VaultError("invalid", "Cannot remove a key slot: give its number");
    }
    await removeSlot(vault.header, { slotIndex: slot });
    return { slot };
  },
};
