import * as secret from "../../core/format/secret_record.ts";
import * as lock from "../../core/format/lock_record.ts";

const seal = { nonce: new Uint8Array(24).fill(3), sealed: new Uint8Array(48).fill(4) };
const cost = { memoryKib: 65536, passes: 3, parallelism: 1 };
const name = { secretId: 77, length: 32, index: 300 };

/** A file that is being locked. */
export const lockRecord: lock.LockRecord = {
  state: "locking",
  erasing: true,
  secretId: 77,
  attempts: 4,
  lastAttempt: 1_700_000_000_000,
  wrapped: { ...cost, salt: new Uint8Array(32).fill(2), ...seal },
  secret: new Uint8Array(32).fill(9),
};

/** Decoders of what the key table holds, with bytes that they take. */
export const lockDecoders = {
  decodeLock: { decode: lock.decodeLock, valid: () => lock.encodeLock(lockRecord) },
  readLockKey: { decode: lock.readLockKey, valid: () => lock.lockKey({ line: 3, ino: 12 }) },
  decodeLockedInline: {
    decode: lock.decodeLockedInline,
    valid: () => lock.encodeLockedInline(seal),
  },
  decodeSecret: {
    decode: secret.decodeSecret,
    valid: () => secret.encodeSecret({ file: { line: 3, ino: 12 }, ...seal }),
  },
  readSecretKey: { decode: secret.readSecretKey, valid: () => secret.secretKey(77) },
  readLockedInlineKey: {
    decode: lock.readLockedInlineKey,
    valid: () => lock.lockedInlineKey(name),
  },
};
