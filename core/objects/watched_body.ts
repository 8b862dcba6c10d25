import { VaultError } from "../errors.ts";
import { passedOn } from "../storage/object_body.ts";
import type { ObjectBody } from "../storage/object_store.ts";

/** Told how many bytes have passed. */
export type ByteProgress = (bytes: number) => void;

/** What is watched while bytes pass. */
export interface WatchOptions {
  readonly path: string;
  /** More bytes are `invalid`. */
  readonly most?: number;
  readonly onProgress?: ByteProgress;
}

/** The same bytes; counted, told of, and refused where they are too many. */
export function watchedBody(body: ObjectBody, options: WatchOptions): ObjectBody {
  const { most, onProgress } = options;
  if (body instanceof Uint8Array) {
    check(body.length, options);
    onProgress?.(body.length);
    return body;
  }
  if (most === undefined && onProgress === undefined) return body;
  let seen = 0;
  return passedOn(body, {
    chunk(chunk) {
      seen += chunk.length;
      check(seen, options);
      onProgress?.(seen);
    },
  });
}

function check(bytes: number, { path, most = Infinity }: WatchOptions): void {
  if (bytes <= most) return;
  throw new VaultError(
    "invalid",
    `Cannot upload ${JSON.stringify(path)}: more than ${most} bytes`,
    { operation: "upload" },
  );
}
