import assert from "node:assert/strict";
import { loadClient } from "./load_client.ts";

Deno.test("a client that may not be loaded, or is not there, is refused in the provider's name", async () => {
  assert.equal(await loadClient("s3", () => Promise.resolve(7)), 7);
  const denied = new Deno.errors.NotCapable("Requires env access");
  for (
    const [error, kind] of [[denied, "denied"], [new TypeError("not found"), "invalid"]] as const
  ) {
    await assert.rejects(
      loadClient("s3", () => Promise.reject(error)),
      { kind, provider: "s3", cause: error },
    );
  }
});
