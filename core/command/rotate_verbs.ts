/**
 * `key rotate` on a running mount: what the mounting process does of it.
 *
 * @module
 */
import type { Secret } from "../crypto/key_encryption.ts";
import { VaultError } from "../errors.ts";
import { MIB } from "../limits.ts";
import type {
  ControlCall,
  ControlOptions,
  ControlProgress,
  ControlVerb,
} from "../vault/control.ts";
import type { InTurn } from "../turn.ts";
import { drivePass } from "../vault/pass_driver.ts";
import { isRotating, rotationSteps, slotsOf, startRotation } from "../vault/rotation.ts";
import type { Vault } from "../vault/vault.ts";
import type { ProvenSlot } from "../volume/slot_search.ts";
import { proofOf, secretFrom } from "./slot_verbs.ts";

/** Bytes written in a second at most: programs work in the mount meanwhile. */
const GENTLE_BYTES = 64 * MIB;
/** One for each secret that a call carries; names of options have letters only. There are no more slots. */
const LETTERS = "ABCDEFGHIJKLMNOP";

/** Several secrets as options of one call; those of the first are named `passphraseA`, and so on. */
export function proofsOf(secrets: readonly Secret[], kdf: ControlOptions[string]): ControlOptions {
  const all = secrets.flatMap((secret, i) =>
    Object.entries(proofOf(secret)).map(([name, value]) => [name + LETTERS[i], value])
  );
  return { ...Object.fromEntries(all), tryKdf: kdf, secrets: secrets.length };
}

function* secretsIn(options: ControlOptions): Generator<ReturnType<typeof secretFrom>> {
  const { secrets: count, tryKdf } = options;
  if (typeof count !== "number" || count < 1 || count > LETTERS.length) {
    throw new VaultError("invalid", 'Cannot rotate keys: option "secrets" is wrong');
  }
  for (let i = 0; i < count; i++) {
    yield secretFrom({
      passphrase: options[`passphrase${LETTERS[i]}`],
      recoveryCode: options[`recoveryCode${LETTERS[i]}`],
      device: options[`device${LETTERS[i]}`],
      tryKdf,
    });
  }
}

/** What a rotation on a mount came to. */
export interface RotatedMount {
  readonly epoch: number;
  readonly writtenBytes: number;
}

/** "key prove": which slots a secret opens; "key rotate": begins and ends a rotation, "key carry" only ends one. */
export function rotateVerbs(inTurn: InTurn): Readonly<Record<string, ControlVerb>> {
  let running: Promise<RotatedMount> | null = null;
  const listeners = new Set<ControlProgress>();
  const carried = async (call: ControlCall): Promise<RotatedMount> => {
    if (call.progress !== undefined) listeners.add(call.progress);
    try {
      const told = (done: number, total: number) =>
        listeners.forEach((listener) => listener(done, total));
      running ??= carry(call, inTurn, told).finally(() => running = null);
      return await running;
    } finally {
      if (call.progress !== undefined) listeners.delete(call.progress);
    }
  };
  return {
    "key prove": async ({ vault, options }) => {
      const slots = await slotsOf(vault, secretFrom(options));
      return { slots: slots.map(({ index }) => index) };
    },
    "key rotate": async (call) => {
      await call.transaction.without("rotate the keys", async () => {
        await inTurn(() => begin(call.vault, call.options));
      });
      return await carried(call);
    },
    "key carry": carried,
  };
}

async function begin(vault: Vault, options: ControlOptions): Promise<void> {
  if (isRotating(vault)) {
    throw new VaultError("conflict", "Cannot rotate the keys: a rotation is under way already");
  }
  const kept: ProvenSlot[] = [];
  for (const presented of secretsIn(options)) kept.push(...await slotsOf(vault, presented));
  await startRotation(vault, kept);
}

async function carry(
  { vault, signal }: ControlCall,
  inTurn: InTurn,
  tell: ControlProgress,
): Promise<RotatedMount> {
  let writtenBytes = 0;
  if (isRotating(vault)) {
    await drivePass(vault, rotationSteps(vault, inTurn), {
      rateBytes: GENTLE_BYTES,
      signal,
      told: (step) => {
        writtenBytes += step.writtenBytes;
        tell(step.doneBytes, step.totalBytes);
      },
    });
  }
  return { epoch: vault.opened.volume.store.context.epoch, writtenBytes };
}
