import * as writeOnce from "../../core/format/write_once.ts";

/** A footer with every field set. */
export const footer: writeOnce.ObjectFooter = {
  kind: "end",
  settled: 7,
  sizeBytes: 2 ** 40,
  dropped: [{ cell: 2 ** 40, count: 65535 }],
  held: [{ cell: 5, count: 1000 }, { cell: 9000, count: 23 }],
};

/** A checkpoint of one object. */
export const checkpoint: writeOnce.Checkpoint = {
  sizeBytes: 123456789,
  objects: [{ name: new Uint8Array(16).fill(3), cells: 1024 }],
  runs: [{ cell: 77, count: 20, object: 0, offset: 1004 }],
  fences: [new Uint8Array(16).fill(4)],
};

/** A claim. */
export const claim: writeOnce.WriterClaim = {
  eraId: new Uint8Array(16).fill(6),
  checkpointBytes: 99,
};

/** The decoders of write-once media, each with what it decodes. */
export const writeOnceDecoders = {
  decodeFooter: {
    decode: (bytes: Uint8Array) => writeOnce.decodeFooter(bytes, 1024),
    valid: () => writeOnce.encodeFooter(footer),
  },
  decodeCheckpoint: {
    decode: writeOnce.decodeCheckpoint,
    valid: () => writeOnce.encodeCheckpoint(checkpoint),
  },
  decodeClaim: { decode: writeOnce.decodeClaim, valid: () => writeOnce.encodeClaim(claim) },
};
