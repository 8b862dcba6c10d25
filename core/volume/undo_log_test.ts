import assert from "node:assert/strict";
import fc from "fast-check";
import { UndoLog } from "./undo_log.ts";

const key = fc.uint8Array({ minLength: 1, maxLength: 3, max: 1 });
const value = fc.option(
  fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.tuple(fc.nat(255), fc.constantFrom(30_000, 65_534)).map(([fill, length]) =>
      new Uint8Array(length).fill(fill)
    ),
  ),
);

Deno.test("an undo log gives back what each key held first", () => {
  fc.assert(fc.property(fc.array(fc.tuple(key, value), { maxLength: 30 }), (steps) => {
    const log = new UndoLog();
    const model = new Map<string, Uint8Array | null>();
    let bytes = 0;
    for (const [key, held] of steps) {
      log.add(key, () => held);
      if (model.has(key.toHex())) continue;
      model.set(key.toHex(), held);
      bytes += key.length + (held?.length ?? 0);
    }
    const found = [...log.entries()].map(([key, held]) => [key.toHex(), held?.toHex()]);
    assert.deepEqual(found, [...model].map(([name, held]) => [name, held?.toHex()]));
    assert.ok(log.bytes >= bytes);
  }));
});
