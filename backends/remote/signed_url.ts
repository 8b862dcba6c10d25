import { type ObjectCall, objectError } from "../../core/storage/object_body.ts";
import type { SignedUrlOptions } from "../../core/storage/object_store.ts";

/** A week: no provider signs for longer. */
const EXPIRES_SECONDS_MAX = 604_800;

/** Checks what was asked for. */
export function checkExpiry({ expiresSeconds }: SignedUrlOptions, call: ObjectCall): void {
  const isGood = Number.isInteger(expiresSeconds) && expiresSeconds >= 1 &&
    expiresSeconds <= EXPIRES_SECONDS_MAX;
  if (isGood) return;
  throw objectError("invalid", call, `want 1 to ${EXPIRES_SECONDS_MAX} seconds`);
}
