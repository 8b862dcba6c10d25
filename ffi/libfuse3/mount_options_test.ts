import assert from "node:assert/strict";
import { VaultError } from "../../core/errors.ts";
import { mountArgument } from "./mount_options.ts";

Deno.test("mount options: a source cannot smuggle in options", () => {
  const argument = mountArgument({ source: "a,suid\\,b" });
  assert.equal(
    argument,
    "fsname=a\\,suid\\\\\\,b,subtype=sigmavault,max_read=262144,default_permissions",
  );
});

Deno.test("mount options: each is there when asked for", () => {
  const options = { allowOther: true, readOnly: true, extra: ["noatime"] };
  const parts = mountArgument({ source: "s", ...options }).split(",");
  assert.deepEqual(parts.slice(2), [
    "max_read=262144",
    "default_permissions",
    "allow_other",
    "ro",
    "noatime",
  ]);
});

Deno.test("mount options: what could be two options is refused", () => {
  for (const extra of ["a,b", "", "context=\\", "A B", "x\0"]) {
    assert.throws(
      () => mountArgument({ source: "s", extra: [extra] }),
      (error) => error instanceof VaultError && error.kind === "invalid",
      JSON.stringify(extra),
    );
  }
  assert.throws(() => mountArgument({ source: "a\0b" }), VaultError);
});
