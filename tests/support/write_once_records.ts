import * as writeOnce from "../../core/format/write_once.ts";

/** A footer with every field set. */
export const footer: writeOnce.ObjectFooter = {
  kind: "end",
  claim: 2 ** 50,
  number: 9,
  settled: 7,
  sizeBytes: 2 ** 40,
  dropped: [{ cell: 2 ** 40, count: 65535 }],
  held: [{ cell: 2 ** 48 - 1, count: 1000 }, { cell: 9000, count: 23 }],
};

/** A part of a checkpoint with entries of every sort. */
export const checkpointPart: writeOnce.CheckpointPart = {
  sizeBytes: 123456789,
  objects: [{ name: new Uint8Array(16).fill(3), cells: 1024 }],
  runs: [{ cell: 77, count: 20, object: 0, offset: 1004 }],
  fences: [new Uint8Array(16).fill(4)],
};

/** A claim. */
export const claim: writeOnce.WriterClaim = {
  eraId: new Uint8Array(16).fill(6),
  checkpointCells: 2 ** 32 - 1,
};

/** The decoders of write-once media, each with what it decodes. */
export const writeOnceDecoders = {
  decodeFooter: {
    decode: (bytes: Uint8Array) => writeOnce.decodeFooter(bytes, 1024),
    valid: () => writeOnce.encodeFooter(footer),
  },
  decodeCheckpointPart: {
    decode: writeOnce.decodeCheckpointPart,
    valid: () => writeOnce.encodeCheckpointPart(checkpointPart),
  },
  decodeClaim: { decode: writeOnce.decodeClaim, valid: () => writeOnce.encodeClaim(claim) },
};
