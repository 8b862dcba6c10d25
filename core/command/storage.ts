/**
 * Verbs of universal storage: files go up to providers and come down.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import { isoTime } from "../dates.ts";
import { bodyChunks, streamOf } from "../storage/object_body.ts";
import type { FileInfo, ListedFile } from "../objects/file_info.ts";
import type { Route } from "../objects/routing.ts";
import type { ProviderUsage } from "../objects/usage.ts";
import type { ObjectStorage } from "../objects/object_storage.ts";
import type { ImageTransforms } from "../objects/images.ts";
import type { UploadOptions } from "../objects/storage_calls.ts";
import { bytesOf, type FilePart } from "./file_parts.ts";
import type { Host } from "./host.ts";
import { formatSize, plural } from "./sizes.ts";
import { minuteText } from "./times.ts";
import { columns, printable, type Style } from "./terminal/colours.ts";
import { progressOn } from "./terminal/progress.ts";

/** Standard input or output, in place of a file. */
const STANDARD = "-";

/** Where settings are, and which provider is meant. */
export interface StorageOptions {
  /** A file of settings; the environment unless given. */
  readonly config?: string;
  readonly provider?: string;
  /** Say on stderr what was asked of which provider. */
  readonly usage?: boolean;
}

/** What a verb works with. */
export interface StorageTarget {
  readonly host: Host;
  readonly options: StorageOptions;
}

/** A file of storage, in JSON. */
export interface FileRow {
  readonly path: string;
  readonly provider: string;
  readonly size: number;
  readonly etag: string;
  /** ISO 8601. */
  readonly lastModified: string;
  readonly contentType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly tags?: Readonly<Record<string, string>>;
  readonly url?: string | null;
}

/** Runs a verb on the storage that is configured, and closes it. */
export async function withStorage<T>(
  { host, options }: StorageTarget,
  work: (storage: ObjectStorage) => Promise<T>,
): Promise<T> {
  const warnings: string[] = [];
  const storage = await host.openStorage(options.config, ({ message }) => warnings.push(message));
  try {
    return await work(storage);
  } finally {
    await storage.close();
    for (const each of warnings) await host.err.write(`sigmavault: warning: ${printable(each)}\n`);
    if (options.usage === true) await host.err.write(usageText(storage.usage()));
  }
}

function usageText(rows: readonly ProviderUsage[]): string {
  return rows.map(({ provider, writes, reads, bytesWritten, bytesRead, cost }) => {
    const asked = `${plural(writes, "write")}, ${plural(reads, "read")}`;
    const bytes = `${formatSize(bytesWritten)} up, ${formatSize(bytesRead)} down`;
    return `${provider}: ${asked}, ${bytes}${cost === null ? "" : `, about ${cost.toFixed(4)}`}\n`;
  }).join("");
}

/** In JSON. */
export function rowOf(file: FileInfo): FileRow {
  return { ...file, lastModified: isoTime(file.lastModified.getTime()) };
}

function listedRow({ path, provider, size, etag, lastModified }: ListedFile): FileRow {
  return { path, provider, size, etag, lastModified: isoTime(lastModified.getTime()) };
}

/** What is said of a file that goes up. */
export type UploadOrder =
  & Pick<UploadOptions, "contentType" | "tags" | "metadata" | "transforms">
  & { readonly create?: boolean };

/** What is said of variants that go up. */
export type VariantOrder = Omit<UploadOrder, "contentType" | "transforms"> & {
  readonly variants: Readonly<Record<string, ImageTransforms>>;
};

/** Stores a file of this machine, or standard input, at a path. */
export async function upload(
  target: StorageTarget,
  [file, path]: readonly [string, string],
  { create, ...said }: UploadOrder,
): Promise<FileRow> {
  return await goingUp(target, [file, path], async (storage, { body, ...source }) => {
    const condition = create === true ? { create } : {};
    return rowOf(await storage.upload(path, body, { ...said, ...condition, ...source }));
  });
}

/** Stores variants of an image of this machine, or of standard input. */
export async function uploadVariants(
  target: StorageTarget,
  [file, path]: readonly [string, string],
  { create, variants, ...said }: VariantOrder,
): Promise<readonly FileRow[]> {
  return await goingUp(target, [file, path], async (storage, { body, ...source }) => {
    const condition = create === true ? { create } : {};
    const options = { ...said, ...condition, ...source };
    return Object.values(await storage.uploadVariants(path, body, variants, options)).map(rowOf);
  });
}

/** Opens a file that goes up, and shows how far it is. */
async function goingUp<T>(
  target: StorageTarget,
  [file, path]: readonly [string, string],
  work: (storage: ObjectStorage, source: GoingUp) => Promise<T>,
): Promise<T> {
  const { host, options: { provider } } = target;
  const source = await sourceOf(host, file);
  const bar = progressOn(host.err, host.runtime);
  const onProgress = (bytes: number) => bar.show(bytes, source.size ?? 0, path);
  return await withStorage(target, (storage) => work(storage, { ...source, provider, onProgress }))
    .finally(() => bar.clear());
}

type GoingUp = Pick<UploadOptions, "size" | "provider" | "onProgress"> & {
  readonly body: ReadableStream<Uint8Array>;
};

async function sourceOf(
  host: Host,
  file: string,
): Promise<{ size?: number; body: ReadableStream<Uint8Array> }> {
  if (file === STANDARD) return { body: streamOf(copies(host.pipes.input())) };
  const path = host.absolute(file);
  const { kind, bytes } = await host.local.stat(await host.canonical(path));
  if (kind === "directory") {
    throw new VaultError("invalid", `Cannot upload "${file}": it is a directory`);
  }
  const body = streamOf(dataOf(host.local.read(await host.canonical(path))));
  return kind === "file" ? { size: bytes, body } : { body };
}

/** A part is valid until the next one is asked for; a stream keeps some. */
async function* copies(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const part of parts) yield part.slice();
}

async function* dataOf(parts: AsyncIterable<FilePart>): AsyncGenerator<Uint8Array> {
  for await (const part of parts) {
    for (const bytes of bytesOf(part)) yield bytes.slice();
  }
}

/** Writes a file of storage to one of this machine, which is replaced when all of it is there, or to standard output. */
export async function download(
  target: StorageTarget,
  [path, file]: readonly [string, string],
): Promise<FileRow> {
  const { host, options: { provider } } = target;
  const bar = progressOn(host.err, host.runtime);
  return await withStorage(target, async (storage) => {
    let done = 0, total = 0;
    const onProgress = (bytes: number) => bar.show(done = bytes, total, path);
    const { info, body } = await storage.downloadStream(path, { provider, onProgress });
    total = info.size;
    bar.show(done, total, path);
    await writeTo(host, file, body);
    return rowOf(info);
  }).finally(() => bar.clear());
}

async function writeTo(host: Host, file: string, body: ReadableStream<Uint8Array>): Promise<void> {
  if (file === STANDARD) {
    for await (const chunk of bodyChunks(body)) await host.pipes.write(chunk);
    return;
  }
  const path = host.absolute(file);
  const mark = new Uint8Array(8);
  host.runtime.random(mark);
  const aside = `${path}.${mark.toHex()}.part`;
  try {
    await host.local.write(aside, bodyChunks(body));
    await host.local.rename(aside, path);
  } catch (error) {
    await host.local.remove(aside).catch(() => {}); // it may never have been made
    throw error;
  }
}

/** Files and directories below a prefix. */
export interface Listing {
  readonly files: readonly FileRow[];
  readonly prefixes: readonly string[];
}

/** Lists what is below a prefix: one level of it, or all. */
export async function list(
  target: StorageTarget,
  prefix: string,
  { recursive = false }: { readonly recursive?: boolean },
): Promise<Listing> {
  return await withStorage(target, async (storage) => {
    const { provider } = target.options;
    const files: FileRow[] = [];
    const prefixes: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await storage.list({ prefix, delimited: !recursive, provider, cursor });
      files.push(...page.files.map(listedRow));
      prefixes.push(...page.prefixes);
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
    return { files, prefixes };
  });
}

/** For people: directories first. */
export function listingText({ files, prefixes }: Listing, style: Style): string {
  const names = prefixes.map((path) => style.blue(printable(path)));
  if (files.length === 0) return names.map((name) => `${name}\n`).join("");
  const rows = [
    ...names.map((name) => ["", "", "", name]),
    ...files.map(({ path, size, lastModified, provider }) => [
      formatSize(size),
      minuteText(lastModified),
      provider,
      printable(path),
    ]),
  ];
  return columns(rows, [0]);
}

/** Removes files; those that are not there are no mistake. */
export async function remove(
  target: StorageTarget,
  paths: readonly string[],
): Promise<{ readonly removed: readonly string[] }> {
  return await withStorage(target, async (storage) => {
    await storage.delete(paths, { provider: target.options.provider });
    return { removed: paths };
  });
}

/** What is known of a file. */
export async function fileInfo(target: StorageTarget, path: string): Promise<FileRow> {
  return await withStorage(target, async (storage) => {
    return rowOf(await storage.getInfo(path, { provider: target.options.provider }));
  });
}

/** For people. */
export function fileText(row: FileRow): string {
  const pairs = (said: Readonly<Record<string, string>> = {}) =>
    Object.entries(said).map(([name, value]) => `${printable(name)}=${printable(value)}`).join(
      ", ",
    );
  const rows = [
    ["path", printable(row.path)],
    ["provider", row.provider],
    ["size", `${formatSize(row.size)} (${row.size} bytes)`],
    ["content type", printable(row.contentType ?? "")],
    ["modified", row.lastModified],
    ["etag", printable(row.etag)],
    ["metadata", pairs(row.metadata)],
    ["tags", pairs(row.tags)],
    ["url", printable(row.url ?? "none")],
  ];
  return columns(rows.filter(([, value]) => value !== ""), []);
}

/** A URL of a file. */
export async function urlOf(
  target: StorageTarget,
  path: string,
  { expires }: { readonly expires?: number },
): Promise<{ readonly url: string }> {
  return await withStorage(target, async (storage) => {
    const { provider } = target.options;
    // A verb without a time means the public URL where there is one.
    return { url: await storage.getUrl(path, { expires, provider }) };
  });
}

/** Copies or moves a file. */
export async function transfer(
  target: StorageTarget,
  how: "copy" | "move",
  [from, to]: readonly [string, string],
): Promise<FileRow> {
  return await withStorage(target, async (storage) => {
    const { provider } = target.options;
    return rowOf(
      how === "copy"
        ? await storage.copy(from, to, { fromProvider: provider, toProvider: provider })
        : await storage.move(from, to, { provider }),
    );
  });
}

/** Which provider a path belongs to, and why. */
export interface ExplainedPath extends Route {
  readonly path: string;
  /** Of which providers it is made, and how; none where it stands for itself. */
  readonly made?: string;
}

/** Says which provider a path belongs to. */
export async function explain(
  target: StorageTarget,
  path: string,
): Promise<ExplainedPath> {
  // deno-lint-ignore require-await
  return await withStorage(target, async (storage) => {
    const route = storage.explain(path);
    const { made } = storage.named(route.provider);
    return { path, ...route, ...(made === undefined ? {} : { made }) };
  });
}

/** `3 files`. */
export function removedText({ removed }: { readonly removed: readonly string[] }): string {
  return `removed ${plural(removed.length, "file")}\n`;
}
