import assert from "node:assert/strict";
import { constants } from "node:os";
import { ERRNO, errnoName } from "./errno.ts";

Deno.test({
  name: "errno: numbers are the system's",
  ignore: Deno.build.os !== "linux",
  fn() {
    const system = new Map(Object.entries(constants.errno));
    for (const [name, number] of Object.entries(ERRNO)) {
      if (system.has(name)) assert.equal(number, system.get(name), name);
    }
    assert.equal(system.get("ENOTCONN"), ERRNO.ENOTCONN);
  },
});

Deno.test("errno: a number has its name, an unknown one is still printable", () => {
  assert.equal(errnoName(107), "ENOTCONN");
  assert.equal(errnoName(4095), "errno 4095");
});
