import { setU64, viewOf } from "../../bytes.ts";
import { VaultError } from "../../errors.ts";
import {
  decodeClaim,
  decodeFooter,
  encodeClaim,
  ERA_ID_BYTES,
  OBJECT_CELLS_MAX,
  OBJECT_NAME_BYTES,
  type ObjectFooter,
  WRITE_ONCE_KIND,
  writeOnceAad,
  type WriterClaim,
} from "../../format/write_once.ts";
import { CELL_BYTES } from "../../limits.ts";
import type { MediumSeal } from "../medium_seal.ts";
import type { ObjectAccess } from "../object_access.ts";
import { readObject } from "./object_cache.ts";

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

/** Reads the claim of this number. */
export function readClaim({ access, seal }: EraContext, name: string, claim: number): WriterClaim {
  const cell = new Uint8Array(CELL_BYTES);
  access.read(name, 0, cell);
  const plaintext = seal.open(cell, claimAad(claim));
  if (plaintext === null) throw damaged(access, `claim "${name}" is damaged`);
  return decodeClaim(plaintext);
}

/** Seals a claim. */
export function sealClaim(seal: MediumSeal, number: number, claim: WriterClaim): Uint8Array {
  return seal.seal(encodeClaim(claim), claimAad(number));
}

function claimAad(claim: number): Uint8Array {
  const name = new Uint8Array(OBJECT_NAME_BYTES);
  setU64(viewOf(name), 0, claim);
  return writeOnceAad(WRITE_ONCE_KIND.claim, 0, name);
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

/** Records of the medium that are not what was written. */
export function damaged({ name }: ObjectAccess, what: string): VaultError {
  return new VaultError(
    "corrupt",
    `Cannot read "${name}": ${what}; if it is being synchronised, wait for that to end`,
    { operation: "open", errno: "EIO" },
  );
}
