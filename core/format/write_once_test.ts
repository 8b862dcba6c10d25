import assert from "node:assert/strict";
import { checkpointPart, claim, footer } from "../../tests/support/write_once_records.ts";
import {
  decodeCheckpointPart,
  decodeClaim,
  decodeFooter,
  encodeCheckpointPart,
  encodeClaim,
  encodeFooter,
} from "./write_once.ts";

Deno.test("write-once: what is encoded is decoded", () => {
  assert.deepEqual(decodeFooter(encodeFooter(footer), 1024), footer);
  assert.deepEqual(decodeCheckpointPart(encodeCheckpointPart(checkpointPart)), checkpointPart);
  assert.deepEqual(decodeClaim(encodeClaim(claim)), claim);
});
