/**
 * Making a vault, wherever that is done: by the program itself, or by the thread that will serve its mount.
 *
 * @module
 */
import { type BegunHeader, type Stretched, takingAhead } from "../crypto/stretched.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import type { DamageObserver } from "../block/damage.ts";
import { addSlot } from "../volume/header_slots.ts";
import { createVault, type Vault, type VaultParts } from "../vault/vault.ts";
import type { CreateOptions } from "./create.ts";

/** What is to be made. Plain data: it is posted. */
export interface MakeOrder
  extends
    Pick<BegunHeader, "salts">,
    Pick<CreateOptions, "mode" | "kdf" | "label" | "dense" | "sizeBytes" | "redundancy">,
    Pick<CreateOptions, "recoveryCode" | "memory"> {
  readonly blockBytes: number;
  /** Of its root directory. */
  readonly owner: { readonly uid: number; readonly gid: number };
}

/** What goes with it. */
export interface MakeInputs {
  /** Stays the caller's. */
  readonly secret: Secret;
  /** What was derived under the order's salts. Stays the caller's. */
  readonly stretched: Promise<readonly Stretched[]>;
  /** Told how far filling a dense vault is. */
  progress(doneBytes: number, totalBytes: number): void;
  /** As for opening one: it stays open. */
  readonly onDamage?: DamageObserver;
}

/** What there is to tell. Plain data, too. */
export interface MadeReport {
  readonly mediumBytes: number;
  /** Shown once. */
  readonly recoveryCode?: string;
}

/** Makes a vault, durable when this resolves, and leaves it open. */
export async function makeVault(
  parts: VaultParts,
  { salts, owner, memory = true, recoveryCode: wantsCode, ...order }: MakeOrder,
  { secret, stretched, progress, onDamage }: MakeInputs,
): Promise<{ vault: Vault; report: MadeReport }> {
  const vault = await createVault(parts, {
    ...order,
    secret,
    begun: { salts, stretch: takingAhead(stretched) },
    rootMemory: memory ? parts.platform?.rootMemory?.() : undefined,
    root: { ...owner, mode: 0o755 },
    progress,
    onDamage,
  });
  try {
    const recoveryCode = wantsCode ? await addRecoveryCode(vault.header) : undefined;
    return { vault, report: { mediumBytes: await vault.medium.size(), recoveryCode } };
  } catch (error) {
    await vault.close();
    throw error;
  }
}

async function addRecoveryCode(header: Parameters<typeof addSlot>[0]): Promise<string> {
  const { recoveryCode } = await addSlot(header, { mode: "recovery", label: "recovery code" });
  const text = new TextDecoder().decode(recoveryCode);
  recoveryCode?.fill(0);
  return text;
}
