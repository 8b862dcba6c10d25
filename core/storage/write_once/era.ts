import { setU64, viewOf } from "../../bytes.ts";
import { VaultError } from "../../errors.ts";
import {
  decodeCheckpoint,
  decodeClaim,
  decodeFooter,
  encodeClaim,
  ERA_ID_BYTES,
  OBJECT_CELLS_MAX,
  OBJECT_NAME_BYTES,
  type ObjectFooter,
  SEALED_CELL_BYTES,
  WRITE_ONCE_KIND,
  writeOnceAad,
  type WriterClaim,
} from "../../format/write_once.ts";
import { CELL_BYTES } from "../../limits.ts";
import type { MediumSeal } from "../medium_seal.ts";
import type { ObjectAccess } from "../object_access.ts";
import { readObject } from "./object_cache.ts";
import { StoredState } from "./stored_state.ts";

/** Objects behind a gap that are looked for: more were never on their way at once. */
const PROBES_BEHIND_GAP = 1024;

/** Where records of a write-once medium are read and written. */
export interface EraContext {
  readonly access: ObjectAccess;
  readonly seal: MediumSeal;
}

/** The name of an object of an era: a keyed pseudo-random function, so that it says nothing. */
export function objectName(seal: MediumSeal, eraId: Uint8Array, number: number): string {
  const input = new Uint8Array(ERA_ID_BYTES + 8);
  input.set(eraId);
  setU64(viewOf(input), ERA_ID_BYTES, number);
  return seal.name(input).subarray(0, OBJECT_NAME_BYTES).toHex();
}

/** An era as it was found. */
export interface LoadedEra {
  readonly eraId: Uint8Array;
  readonly state: StoredState;
  /** Number of the first object that is not there, or is a fence: whoever makes it ends the era. */
  readonly gap: number;
  /** True where somebody ended it and did not get any further. */
  readonly isFenced: boolean;
}

/** Reads the claim of this generation. */
export function readClaim({ access, seal }: EraContext, name: string, claim: number): WriterClaim {
  const cell = new Uint8Array(CELL_BYTES);
  access.read(name, 0, cell);
  const plaintext = seal.open(cell, writeOnceAad(WRITE_ONCE_KIND.claim, 0, claimName(claim)));
  if (plaintext === null) throw damaged(access, `claim "${name}" is damaged`);
  return decodeClaim(plaintext);
}

/** Seals a claim. */
export function sealClaim(seal: MediumSeal, number: number, claim: WriterClaim): Uint8Array {
  const aad = writeOnceAad(WRITE_ONCE_KIND.claim, 0, claimName(number));
  return seal.seal(encodeClaim(claim), aad);
}

function claimName(claim: number): Uint8Array {
  const name = new Uint8Array(OBJECT_NAME_BYTES);
  setU64(viewOf(name), 0, claim);
  return name;
}

/**
 * The state at the end of the era's last whole group. `sizes` is a listing made after the claim was found.
 */
export function loadEra(
  context: EraContext,
  claim: WriterClaim,
  sizes: ReadonlyMap<string, number>,
): LoadedEra {
  const { eraId } = claim;
  const parts = checkpointObjects(claim.checkpointBytes);
  const state = StoredState.from(decodeCheckpoint(readCheckpoint(context, claim, sizes)));
  let waiting: [string, number, ObjectFooter][] = [];
  let gap = parts;
  for (;; gap++) {
    const name = objectName(context.seal, eraId, gap);
    const size = sizes.get(name);
    if (size === undefined) break;
    const footer = readFooter(context, name, size);
    if (footer.kind === "fence") return { eraId, state, gap, isFenced: true };
    waiting.push([name, size / CELL_BYTES, footer]);
    if (footer.kind === "part") continue;
    for (const [object, cells, whole] of waiting) state.apply(object, cells, whole);
    waiting = [];
  }
  checkGap(context, { eraId, gap }, sizes);
  return { eraId, state, gap, isFenced: false };
}

/** Of how many objects a checkpoint of so many bytes is made. */
export function checkpointObjects(bytes: number): number {
  return Math.ceil(Math.ceil(bytes / SEALED_CELL_BYTES) / OBJECT_CELLS_MAX);
}

function readCheckpoint(
  context: EraContext,
  claim: WriterClaim,
  sizes: ReadonlyMap<string, number>,
): Uint8Array {
  const { access, seal } = context;
  const cells = Math.ceil(claim.checkpointBytes / SEALED_CELL_BYTES);
  const names = Array.from(
    { length: checkpointObjects(claim.checkpointBytes) },
    (_, part) => objectName(seal, claim.eraId, part),
  );
  const missing = names.find((name) => !sizes.has(name));
  if (missing !== undefined) throw damaged(access, `checkpoint "${missing}" is missing`);
  const bytes = new Uint8Array(cells * SEALED_CELL_BYTES);
  const cell = new Uint8Array(CELL_BYTES);
  for (let i = 0; i < cells; i++) {
    const name = names[Math.floor(i / OBJECT_CELLS_MAX)];
    readObject(access, name, (i % OBJECT_CELLS_MAX) * CELL_BYTES, cell);
    const aad = writeOnceAad(WRITE_ONCE_KIND.checkpoint, i, Uint8Array.fromHex(name));
    const plaintext = seal.open(cell, aad);
    if (plaintext === null) throw damaged(access, `checkpoint "${name}" is damaged`);
    bytes.set(plaintext, i * SEALED_CELL_BYTES);
  }
  return bytes.subarray(0, claim.checkpointBytes);
}

/** Reads the footer of an object of this size. */
export function readFooter(
  { access, seal }: EraContext,
  name: string,
  size: number,
): ObjectFooter {
  const cells = size / CELL_BYTES;
  if (!Number.isInteger(cells) || cells < 1 || cells > OBJECT_CELLS_MAX) {
    throw damaged(access, `object "${name}" is damaged`);
  }
  const cell = new Uint8Array(CELL_BYTES);
  readObject(access, name, size - CELL_BYTES, cell);
  const plaintext = seal.open(cell, footerAad(name, cells));
  if (plaintext === null) throw damaged(access, `object "${name}" is damaged`);
  return decodeFooter(plaintext, cells);
}

/** AAD of the footer of an object: its name, which binds it to its place in the era, and its size. */
export function footerAad(name: string, cells: number): Uint8Array {
  return writeOnceAad(WRITE_ONCE_KIND.footer, cells, Uint8Array.fromHex(name));
}

/** A crash leaves gaps among objects that no sync had made durable; every other gap is damage. */
function checkGap(
  context: EraContext,
  { eraId, gap }: { eraId: Uint8Array; gap: number },
  sizes: ReadonlyMap<string, number>,
): void {
  for (let number = gap + 1; number <= gap + PROBES_BEHIND_GAP; number++) {
    const name = objectName(context.seal, eraId, number);
    const size = sizes.get(name);
    if (size === undefined || readFooter(context, name, size).settled <= gap) continue;
    const lost = objectName(context.seal, eraId, gap);
    throw damaged(context.access, `object "${lost}" is missing`);
  }
}

function damaged({ name }: ObjectAccess, what: string): VaultError {
  return new VaultError(
    "corrupt",
    `Cannot read "${name}": ${what}; if it is being synchronised, wait for that to end`,
    { operation: "open", errno: "EIO" },
  );
}
