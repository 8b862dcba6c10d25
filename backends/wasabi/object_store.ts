import type { ObjectStore } from "../../core/storage/object_store.ts";
import { openS3Objects } from "../s3/object_store.ts";
import { wasabiAsS3, type WasabiObjectsConfig } from "./config.ts";

/** Opens a bucket at Wasabi. Nothing is asked of it yet. */
export async function openWasabiObjects(config: WasabiObjectsConfig): Promise<ObjectStore> {
  return await openS3Objects(wasabiAsS3(config), "wasabi");
}
