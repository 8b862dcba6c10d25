import assert from "node:assert/strict";
import { checkpoint, claim, footer } from "../../tests/support/write_once_records.ts";
import {
  decodeCheckpoint,
  decodeClaim,
  decodeFooter,
  encodeCheckpoint,
  encodeClaim,
  encodeFooter,
} from "./write_once.ts";

Deno.test("write-once: what is encoded is decoded", () => {
  assert.deepEqual(decodeFooter(encodeFooter(footer), 1024), footer);
  assert.deepEqual(decodeCheckpoint(encodeCheckpoint(checkpoint)), checkpoint);
  assert.deepEqual(decodeClaim(encodeClaim(claim)), claim);
});
