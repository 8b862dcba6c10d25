import type { ReconcileReport, ReconcileScope } from "./reconciling.ts";
import type { ListedObject, ObjectInfo, ObjectStore } from "../storage/object_store.ts";

/** A file of the universal storage. */
export interface FileInfo extends ObjectInfo {
  /** Where anybody can read it; null where there is no such place. */
  readonly url: string | null;
  /** Name of the provider that holds it. */
  readonly provider: string;
}

/** A file in a listing. */
export interface ListedFile extends ListedObject {
  /** Name of the provider that holds it. */
  readonly provider: string;
}

/** What an upload came to. */
export type UploadResult = FileInfo;

/** A provider under the name by which a configuration calls it. */
export interface NamedProvider {
  /** That name. */
  readonly name: string;
  /** Objects are at this URL, a `/` and their path, for anybody; null: nowhere. */
  readonly publicUrl: string | null;
  /** For people: of which providers it is made, and how; none where it stands for itself. */
  readonly made?: string;
  /** Its store, opened when it is first asked for. */
  store(): Promise<ObjectStore>;
  /** Puts right what could not be done while one of those that it is made of was away. */
  reconcile?(what?: ReconcileScope): Promise<ReconcileReport>;
  /** Closes what was opened. Idempotent; it opens no more. */
  close(): Promise<void>;
}

/** The URL at which anybody can read an object. */
export function publicUrlOf({ publicUrl }: NamedProvider, path: string): string | null {
  return publicUrl === null ? null : urlBelow(publicUrl, path);
}

/** The URL of an object below one. */
export function urlBelow(publicUrl: string, path: string): string {
  const escaped = path.split("/").map(encodeURIComponent).join("/");
  return `${publicUrl.replace(/\/+$/, "")}/${escaped}`;
}

/** Information as the facade gives it. */
export function fileInfo(named: NamedProvider, info: ObjectInfo): FileInfo {
  return { ...info, url: publicUrlOf(named, info.path), provider: named.name };
}
