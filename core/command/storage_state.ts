/**
 * Verbs that look at universal storage as a whole: what is in it, and how its providers are.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import type { ReindexReport } from "../objects/file_search.ts";
import type { ProviderHealth } from "../objects/storage_calls.ts";
import type { ReconcileReport, ReconcileScope } from "../objects/reconciling.ts";
import type { PromiseReport } from "../objects/store_check.ts";
import { plural } from "./sizes.ts";
import { type FileRow, rowOf, type StorageTarget, withStorage } from "./storage.ts";
import { columns, printable, type Style } from "./terminal/colours.ts";
import { progressOn } from "./terminal/progress.ts";

/** How every provider is. */
export async function health(target: StorageTarget): Promise<readonly ProviderHealth[]> {
  return await withStorage(target, async (storage) => {
    const { provider } = target.options;
    const all = await storage.health();
    return provider === undefined
      ? all
      : all.filter((each) => each.provider === storage.named(provider).name);
  });
}

/** For people. */
export function healthText(rows: readonly ProviderHealth[], style: Style): string {
  return columns(
    rows.map(({ provider, healthy, milliseconds, reason }) => [
      provider,
      healthy ? style.green("well") : style.red("away"),
      reason === null ? `${milliseconds} ms` : printable(reason),
    ]),
    [],
  );
}

/** Throws where a provider is not well: after its row was printed. */
export function requireHealth(rows: readonly ProviderHealth[]): void {
  const away = rows.filter(({ healthy }) => !healthy).map(({ provider }) => `"${provider}"`);
  if (away.length === 0) return;
  throw new VaultError("unavailable", `Cannot reach ${away.join(", ")}`);
}

/** What reconciling came to at a provider. */
export type ReconcileRow = ReconcileReport & { readonly provider: string };

/** Puts right what could not be done while a provider was away: at all that are made of others, or one. */
export async function reconcile(
  target: StorageTarget,
  what: ReconcileScope,
): Promise<readonly ReconcileRow[]> {
  const { provider } = target.options;
  return await withStorage(target, async (storage) => {
    const rows: ReconcileRow[] = [];
    for (const name of provider === undefined ? storage.providers : [provider]) {
      const report = await storage.named(name).reconcile?.(what);
      if (report !== undefined) rows.push({ provider: name, ...report });
    }
    return rows;
  });
}

/** For people. */
export function reconcileText(rows: readonly ReconcileRow[]): string {
  return rows.map(({ provider, settled, left }) => {
    const count = `${printable(provider)}: ${plural(settled.length, "file")} put right`;
    return `${count}${left.length === 0 ? "" : `, ${left.length} left`}\n`;
  }).join("");
}

/** Throws where something is left: after that was printed. */
export function requireReconciled(rows: readonly ReconcileRow[]): void {
  const left = rows.filter((row) => row.left.length > 0).map(({ provider }) => `"${provider}"`);
  if (left.length === 0) return;
  const why = "a member is away, or somebody is changing files";
  throw new VaultError("unavailable", `Cannot put all right at ${left.join(", ")}: ${why}`);
}

/** How providers keep the promises of the contract, each by its name. */
export interface TestReport {
  readonly provider: string;
  readonly promises: readonly PromiseReport[];
}

/** Checks a provider, the default one unless it is named: it is used, and cleaned up. */
export async function testProvider(target: StorageTarget): Promise<TestReport> {
  const { host, options } = target;
  const { checkStore } = await import("../objects/store_check.ts");
  const bar = progressOn(host.err, host.runtime);
  return await withStorage(target, async (storage) => {
    const provider = options.provider ?? storage.explain("any").provider;
    const store = await storage.named(provider).store();
    const onProgress = (done: number, all: number) => bar.show(done, all, provider);
    return { provider, promises: await checkStore(store, { onProgress }) };
  }).finally(() => bar.clear());
}

/** For people. */
export function testText({ promises }: TestReport, style: Style): string {
  return columns(
    promises.map(({ promise, kept, milliseconds, reason }) => [
      kept ? style.green("kept") : style.red("broken"),
      promise,
      reason === null ? `${milliseconds} ms` : printable(reason),
    ]),
    [],
  );
}

/** Throws where a promise was broken: after the table was printed. */
export function requirePromises({ provider, promises }: TestReport): void {
  const broken = promises.filter(({ kept }) => !kept).length;
  if (broken === 0) return;
  const share = `${broken} of ${promises.length} promises`;
  throw new VaultError("unavailable", `Cannot rely on "${provider}": it broke ${share}`);
}

/** What `search` takes. */
export interface SearchOrder {
  readonly tags?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly prefix?: string;
  readonly contentType?: string;
  readonly minSize?: number;
  readonly maxSize?: number;
  /** Milliseconds since 1970. */
  readonly after?: number;
  readonly before?: number;
}

/** All files that fit. */
export async function search(
  target: StorageTarget,
  order: SearchOrder,
): Promise<readonly FileRow[]> {
  const { minSize, maxSize, after, before, ...rest } = order;
  const date = (time?: number) => time === undefined ? undefined : new Date(time);
  const query = {
    ...rest,
    size: { min: minSize, max: maxSize },
    modified: { min: date(after), max: date(before) },
    provider: target.options.provider,
  };
  return await withStorage(target, async (storage) => {
    const rows: FileRow[] = [];
    let cursor: string | undefined;
    do {
      const page = await storage.search({ ...query, cursor });
      rows.push(...page.files.map(rowOf));
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
    return rows;
  });
}

/** Makes the catalogue anew. */
export async function reindex(target: StorageTarget): Promise<readonly ReindexReport[]> {
  const { host, options: { provider } } = target;
  const bar = progressOn(host.err, host.runtime);
  return await withStorage(target, async (storage) => {
    const onProgress = (files: number, name: string) => bar.show(files, 0, name);
    return await storage.reindex({ provider, onProgress });
  }).finally(() => bar.clear());
}

/** For people. */
export function reindexText(reports: readonly ReindexReport[]): string {
  return reports.map(({ provider, files, forgotten }) =>
    `${provider}: ${plural(files, "file")}, ${forgotten} forgotten\n`
  ).join("");
}
