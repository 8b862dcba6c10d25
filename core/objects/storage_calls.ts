import { requireBytes } from "../bytes.ts";
import type {
  Abortable,
  GetOptions,
  ObjectBody,
  ObjectDescription,
  WriteCondition,
} from "../storage/object_store.ts";
import type { FileInfo } from "./file_info.ts";
import type { ImageTransforms } from "./images.ts";
import type { ByteProgress } from "./watched_body.ts";

/** What is uploaded; text is stored as UTF-8. */
export type UploadData = ObjectBody | string | Blob;

/** Which provider a call is about, whatever the rules say. */
export interface AtProvider {
  /** A name of the configuration. */
  readonly provider?: string;
}

/** How to upload. */
export type UploadOptions = ObjectDescription & WriteCondition & Abortable & AtProvider & {
  /** Bytes of a stream, where they are known. */
  readonly size?: number;
  readonly onProgress?: ByteProgress;
  /** What to make of an image before it is stored; its content type is then that of its format. */
  readonly transforms?: ImageTransforms;
};

/** How to upload variants of an image: all of them are described alike. */
export type VariantOptions =
  & Omit<ObjectDescription, "contentType">
  & Abortable
  & AtProvider
  & {
    /** Only where nothing is at any of their paths: else `conflict`, and none is stored. */
    readonly create?: true;
    /** Bytes of a stream, where they are known. */
    readonly size?: number;
    readonly onProgress?: ByteProgress;
  };

/** How to download. */
export type DownloadOptions = GetOptions & AtProvider & {
  readonly onProgress?: ByteProgress;
};

/** How to make a URL. */
export interface UrlOptions extends AtProvider {
  /** Seconds that it works: a signed URL. Without it, the public one. */
  readonly expires?: number;
}

/** A file that is read. */
export interface FileContent {
  /** What is known of it. */
  readonly info: FileInfo;
  /** To be read or cancelled. */
  readonly body: ReadableStream<Uint8Array>;
  /** Bytes that it gives. */
  readonly length: number;
}

/** A page of files that were found. */
export interface FoundPage {
  /** In ascending order of the bytes of their paths. */
  readonly files: readonly FileInfo[];
  /** Where the next page begins; null: there is none. */
  readonly cursor: string | null;
}

/** How a provider is. */
export interface ProviderHealth {
  /** Its name; `(catalogue)` for the catalogue. */
  readonly provider: string;
  /** It answered. */
  readonly healthy: boolean;
  /** Until it did, or failed. */
  readonly milliseconds: number;
  /** Why it did not; null where it did. */
  readonly reason: string | null;
}

/** Bytes of what is uploaded, and their number where it is known. */
export function bodyOf(data: UploadData): { body: ObjectBody; size?: number } {
  if (typeof data === "string") return { body: new TextEncoder().encode(data) };
  if (data instanceof Blob) return { body: data.stream(), size: data.size };
  if (!(data instanceof ReadableStream)) requireBytes(data, "a file's content");
  return { body: data };
}
