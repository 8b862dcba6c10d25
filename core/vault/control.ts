import { VaultError } from "../errors.ts";
import type { MountTransaction } from "./mount_transaction.ts";
import type { Vault } from "./vault.ts";

/** What control messages carry: JSON values, and bytes, which travel beside the JSON so that secrets can be wiped. */
export type ControlValue = string | number | boolean | null | Uint8Array;

/** What a verb is told. */
export type ControlOptions = Readonly<Record<string, ControlValue | undefined>>;

/** Told how many bytes of how many are done. */
export type ControlProgress = (doneBytes: number, totalBytes: number) => void;

/** What a verb of a running mount works with. */
export interface ControlCall {
  /** The mounted vault. */
  readonly vault: Vault;
  /** Its transaction. */
  readonly transaction: MountTransaction;
  /** Their bytes are wiped when the verb has ended. */
  readonly options: ControlOptions;
  /** Aborted when the mount ends, which waits for the verb. */
  readonly signal?: AbortSignal;
  /** To be told how far the verb is. */
  readonly progress?: ControlProgress;
}

/** A verb of a running mount; returns a JSON value, whose own properties may be bytes. */
export type ControlVerb = (call: ControlCall) => unknown | Promise<unknown>;

/** Runs a verb of the control socket on an open vault. */
export async function runControlVerb(
  verbs: Readonly<Record<string, ControlVerb>>,
  name: string,
  call: ControlCall,
): Promise<unknown> {
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  try {
    if (verb === undefined) {
      throw new VaultError(
        "invalid",
        `Cannot run "${name}" on a running mount: unmount first, or update the mounting program`,
      );
    }
    return await verb(call);
  } finally {
    wipeMessage(call.options);
  }
}

/** Overwrites the bytes that a message carries. */
export function wipeMessage(message: unknown): void {
  for (const bytes of Object.values(splitMessage(message).bytes)) bytes.fill(0);
}

/** Parts the bytes among the own properties of a message from the rest, which is JSON. */
export function splitMessage(
  message: unknown,
): { json: unknown; bytes: Record<string, Uint8Array<ArrayBuffer>> } {
  const isRecord = typeof message === "object" && message !== null && !Array.isArray(message);
  if (!isRecord) return { json: message, bytes: {} };
  const all = Object.entries(message);
  const isBytes = ([, value]: [string, unknown]) => value instanceof Uint8Array;
  return {
    json: Object.fromEntries(all.filter((entry) => !isBytes(entry))),
    bytes: Object.fromEntries(all.filter(isBytes)),
  };
}
