import assert from "node:assert/strict";
import { KeyRing } from "../crypto/key_ring.ts";
import { createReferenceKernel } from "../crypto/reference_kernel.ts";
import { NODE_CELLS_MAX } from "../format/node.ts";
import { KIND } from "../format/seal_aad.ts";
import { NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import { systemRuntime } from "../runtime.ts";
import { InlineLane } from "./lane.ts";
import { NodeIo } from "./node_io.ts";
import { SealContext } from "./seal_context.ts";

Deno.test("node io: a length that no node has is corrupt before anything is read", () => {
  const kernel = createReferenceKernel({ memoryBytes: 4 << 20 });
  const keys = new KeyRing(kernel);
  keys.addEpoch(1, new Uint8Array(32));
  let reads = 0;
  const medium = {
    size: () => 1 << 30,
    read: () => void reads++,
    write: () => {},
    sync: () => {},
    truncate: () => {},
    discard: () => {},
  };
  const lane = new InlineLane(kernel, medium);
  const vaultId = new Uint8Array(16);
  const io = new NodeIo(
    new SealContext({ kernel, keys, lane, runtime: systemRuntime, vaultId, epoch: 1 }),
  );
  const place = {
    kind: KIND.volumeNode,
    id: 7,
    level: 0,
    epoch: 1,
    copies: [{ cell: 2048, nonce: new Uint8Array(NONCE_BYTES), tag: new Uint8Array(TAG_BYTES) }],
  };
  for (const cells of [0, NODE_CELLS_MAX + 1, 256]) {
    assert.throws(() => io.open({ ...place, cells }), { kind: "corrupt" });
  }
  assert.equal(reads, 0);
  assert.throws(() => io.open({ ...place, cells: NODE_CELLS_MAX }), { kind: "corrupt" });
  assert.equal(reads, 1);
});
