import { type ObjectCall, objectError } from "../../core/storage/object_body.ts";
import type { SignedUrlOptions } from "../../core/storage/object_store.ts";
import { ask, type AzureContainer } from "./container.ts";

/** A shared access signature: by the account's key, or where the machine is logged in by a key that Azure lends it. */
export async function signedUrl(
  container: AzureContainer,
  call: ObjectCall,
  { expiresSeconds, method }: SignedUrlOptions,
): Promise<string> {
  const { sdk, service, client } = container;
  const blob = client.getBlockBlobClient(call.path);
  const now = Date.now();
  const expiresOn = new Date(now + expiresSeconds * 1000);
  const permissions = sdk.BlobSASPermissions.parse(method === "PUT" ? "cw" : "r");
  const { credential } = service;
  if (credential instanceof sdk.StorageSharedKeyCredential) {
    return await blob.generateSasUrl({ permissions, expiresOn });
  }
  if (credential instanceof sdk.AnonymousCredential) {
    throw objectError("invalid", call, "the connection string has no account key");
  }
  const key = await ask(
    container,
    { call },
    (abortSignal) => service.getUserDelegationKey(new Date(now), expiresOn, { abortSignal }),
  );
  return await blob.generateUserDelegationSasUrl({ permissions, expiresOn }, key);
}
