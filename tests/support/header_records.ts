/** Records of the header as they should be: samples for tests of their codecs. */
import { SLOT_IMAGE_BYTES, type SlotPayload } from "../../core/format/key_slot.ts";
import {
  encodeOlderEpochs,
  encodeSlotDirectory,
  noOlderEpochs,
} from "../../core/format/key_slot_directory.ts";

/** A slot's payload. */
export const slot: SlotPayload = {
  mode: "user",
  label: "laptop",
  created: 5,
  device: null,
  vaultId: new Uint8Array(16).fill(1),
  layoutKey: new Uint8Array(32).fill(2),
  featureBits: 0,
  epochs: [{ epoch: 1, masterKey: new Uint8Array(32).fill(3) }],
};

/** A directory that lists this slot alone. */
export function directoryBytes(): Uint8Array {
  const slots = Array.from({ length: 16 }, () => new Uint8Array(SLOT_IMAGE_BYTES));
  const copy = { salt: new Uint8Array(32), slots };
  const entries = [slot, ...Array.from({ length: 15 }, () => null)];
  const older = noOlderEpochs();
  return encodeSlotDirectory({ counter: 3, entries, copies: [copy, copy], older });
}

/** Two older epochs. */
export function olderEpochsBytes(): Uint8Array {
  const masterKey = new Uint8Array(32).fill(4);
  return encodeOlderEpochs([{ epoch: 2, masterKey }, { epoch: 7, masterKey }]);
}
