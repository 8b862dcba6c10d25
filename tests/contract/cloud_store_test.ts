/** The contract of stores, of each cloud provider against a real server. */
import { storeContract } from "../../core/objects/store_contract.ts";
import { cloudsUnderTest, cloudTests } from "../servers/cloud_stores.ts";

for (const name of Object.keys(cloudsUnderTest)) {
  const test = await cloudTests(name);
  for (const [property, holds] of Object.entries(storeContract)) {
    test(property, ({ store }) => holds(store));
  }
}
