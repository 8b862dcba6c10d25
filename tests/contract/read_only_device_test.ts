/** Linux lets a block device that takes no writes be opened for writing. */
import assert from "node:assert/strict";
import { openFileStorage } from "../../backends/file/store.ts";
import { blockDeviceSkipped, withLoopDevice } from "./media_under_test.ts";

const skipped = blockDeviceSkipped();

Deno.test({
  name: `a read-only block device is opened for reading, or refused${
    skipped === undefined ? "" : ` (skipped: ${skipped})`
  }`,
  ignore: skipped !== undefined,
  async fn() {
    await withLoopDevice(["--read-only"], async (path) => {
      const medium = await openFileStorage({ path, fallbackReadOnly: true });
      assert.equal(medium.capabilities.writable, false);
      assert.equal(await medium.size(), 8 * 1024 * 1024);
      await medium.close();
      await assert.rejects(openFileStorage({ path }), { kind: "denied", errno: "EROFS" });
    });
    await withLoopDevice([], async (path) => {
      const medium = await openFileStorage({ path, fallbackReadOnly: true });
      assert.equal(medium.capabilities.writable, true);
      await medium.close();
    });
  },
});
