import { VaultError } from "../core/errors.ts";
import { PosixError } from "../core/fs/file_system.ts";
import type { PostedError } from "./mount_messages.ts";

/** Makes an error that can be posted. */
export function toPosted(error: unknown): PostedError {
  if (error instanceof VaultError) {
    return { kind: error.kind, message: error.message, isBug: false };
  }
  if (error instanceof PosixError) {
    return { kind: "unavailable", message: error.message, isBug: false };
  }
  const message = error instanceof Error ? error.stack ?? error.message : String(error);
  return { kind: "unavailable", message, isBug: true };
}

/** Makes a posted error throwable again. */
export function fromPosted(posted: PostedError): Error {
  return posted.isBug ? new Error(posted.message) : new VaultError(posted.kind, posted.message);
}
