import type { BlockBlobClient } from "@azure/storage-blob";
import type { ObjectCall } from "../../core/storage/object_body.ts";
import type { ObjectBody, PutOptions } from "../../core/storage/object_store.ts";
import { inParallel } from "../../core/storage/parallel.ts";
import { type Part, partsAtOnce } from "../remote/parts.ts";
import { uploadBody, type Uploaded } from "../remote/upload.ts";
import { ask, type AzureContainer, conditionsOf, descriptionInput, etagOf } from "./container.ts";

/** Bytes that this store writes as one object: what 50,000 blocks that grow reach, rounded down. */
export const OBJECT_BYTES_MAX = 32 * 2 ** 40;
const RULES = { partsMax: 50_000, objectBytesMax: OBJECT_BYTES_MAX };

/** What came of a write. */
export interface Written {
  readonly etag: string;
  readonly lastModified: Date;
}

/** Stores a body: as one, where it has no more bytes than a part, else in blocks, which show when all are there. */
export function uploadObject(
  container: AzureContainer,
  { call, body, options }: {
    readonly call: ObjectCall;
    readonly body: ObjectBody;
    readonly options: PutOptions;
  },
): Promise<Uploaded<Written>> {
  const blob = container.client.getBlockBlobClient(call.path);
  const request = { call, signal: options.signal, condition: options };
  const said = { ...descriptionInput(options), conditions: conditionsOf(options) };
  return uploadBody({
    call,
    body,
    options,
    rules: RULES,
    async whole(bytes) {
      const limits = { ...request, bytes: bytes.length };
      const answer = await ask(
        container,
        limits,
        (abortSignal) => blob.upload(bytes, bytes.length, { ...said, abortSignal }),
      );
      return { etag: etagOf(answer.etag), lastModified: answer.lastModified! };
    },
    async inParts(parts, onFailure) {
      const ids = await stageBlocks(container, { blob, request, parts, onFailure });
      const answer = await ask(
        container,
        request,
        (abortSignal) => blob.commitBlockList(ids, { ...said, abortSignal }),
      );
      return { etag: etagOf(answer.etag), lastModified: answer.lastModified! };
    },
  });
}

/** Blocks that are not named in the end are gone with the next write to the path, or after a week. */
async function stageBlocks(
  container: AzureContainer,
  { blob, request, parts, onFailure }: {
    readonly blob: BlockBlobClient;
    readonly request: { readonly call: ObjectCall; readonly signal?: AbortSignal };
    readonly parts: AsyncIterable<Part>;
    readonly onFailure: (error: unknown) => void;
  },
): Promise<string[]> {
  // Of their own, so that nobody else who writes there at the same time names them.
  const upload = crypto.randomUUID();
  const ids: string[] = [];
  const atOnce = ({ bytes }: Part) => partsAtOnce(bytes.length);
  await inParallel(parts, { atOnce, onFailure }, async ({ bytes, index }) => {
    const id = btoa(`${upload}-${`${index}`.padStart(5, "0")}`);
    ids[index] = id;
    const limits = { ...request, bytes: bytes.length };
    await ask(
      container,
      limits,
      (abortSignal) => blob.stageBlock(id, bytes, bytes.length, { abortSignal }),
    );
  });
  return ids;
}
