/** The contract of stores, of each cloud provider against a real server. */
import { cloudsUnderTest, runningCloud } from "../servers/cloud_stores.ts";
import { storeContract } from "../../core/objects/store_contract.ts";

for (const [name, cloud] of Object.entries(cloudsUnderTest)) {
  const running = await runningCloud(cloud);
  for (const [property, holds] of Object.entries(storeContract)) {
    const why = "missing" in running ? running.missing : cloud.unknown?.[property];
    Deno.test({
      name: why === undefined ? `${name}: ${property}` : `${name}: ${property} (skipped: ${why})`,
      ignore: why !== undefined,
      fn: async () => {
        if ("missing" in running) return;
        await using opened = await running.open();
        await holds(opened.store);
      },
    });
  }
}
