import { xchacha20 } from "@noble/ciphers/chacha.js";
import { subkey } from "../../core/crypto/hkdf.ts";
import type { VaultKeys } from "../../core/crypto/vault_keys.ts";
import { CELL_BYTES } from "../../core/limits.ts";
import type { MapEntry } from "../../core/format/map_entry.ts";
import { placeCells } from "../../core/format/map_entry.ts";

/** Cells of the longest record that stands for itself. */
const RECORD_CELLS = 16;

/**
 * Everything on a medium that a thief with the keys of a vault could make readable, without asking any tag: each cell as the
 * beginning of a node, a root or a log record, and the places of blocks that somebody noted. Says where `marker` shows.
 */
export function findContent(
  content: Uint8Array,
  { keys, marker, noted }: {
    readonly keys: Pick<VaultKeys, "epochs">;
    readonly marker: Uint8Array;
    readonly noted: readonly MapEntry[];
  },
): string[] {
  const found: string[] = [];
  const shows = (bytes: Uint8Array) => Buffer.from(bytes).includes(Buffer.from(marker));
  if (shows(content)) found.push("in clear");
  for (const { masterKey } of keys.epochs) {
    for (const label of ["node", "log", "root"] as const) {
      const key = subkey(masterKey, label);
      for (let at = 0; at + CELL_BYTES <= content.length; at += CELL_BYTES) {
        const cell = content.subarray(at, at + CELL_BYTES * (label === "node" ? 4 : RECORD_CELLS));
        if (cell.subarray(0, CELL_BYTES).every((byte) => byte === 0)) continue;
        const nonce = cell.slice(0, 24);
        // Each of these begins with a marker of the format.
        const first = xchacha20(key, nonce, cell.slice(24, 28), undefined, 1);
        if (first[0] !== 0xa3 || first[1] !== 0x56) continue;
        if (shows(xchacha20(key, nonce, cell.slice(24), undefined, 1))) {
          found.push(`${label} at cell ${at / CELL_BYTES}`);
        }
      }
    }
    const key = subkey(masterKey, "block");
    for (const entry of noted) {
      for (const { cell, nonce } of entry.places) {
        const at = cell * CELL_BYTES;
        const stored = content.slice(at, at + placeCells(entry) * CELL_BYTES);
        if (shows(xchacha20(key, nonce, stored, undefined, 1))) found.push(`block at cell ${cell}`);
      }
    }
  }
  return found;
}
