/**
 * Does `work` on items as they come, several at a time. The first failure is thrown when all that was begun has settled;
 * nothing is begun after it, and `onFailure` hears of it at once: what gives the items may wait for long.
 */
export async function inParallel<T>(
  items: AsyncIterable<T> | Iterable<T>,
  { atOnce, onFailure }: {
    readonly atOnce: (item: T) => number;
    readonly onFailure?: (error: unknown) => void;
  },
  work: (item: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  // A race of all that runs would leave something with each of them, every time.
  let oneEnded = Promise.withResolvers<void>();
  let failed: { readonly error: unknown } | undefined;
  const fail = (error: unknown) => {
    failed ??= { error };
    onFailure?.(error);
  };
  try {
    for await (const item of items) {
      while (failed === undefined && running.size >= atOnce(item)) await oneEnded.promise;
      if (failed !== undefined) break;
      const one: Promise<void> = work(item).catch(fail).finally(() => {
        running.delete(one);
        oneEnded.resolve();
        oneEnded = Promise.withResolvers();
      });
      running.add(one);
    }
  } catch (error) {
    fail(error);
  }
  await Promise.all(running);
  if (failed !== undefined) throw failed.error;
}

/** Deletions of objects at once. */
const DELETED_AT_ONCE = 16;

/** Deletes one by one, several at a time; throws the first failure when all were tried. */
export async function deleteAll(
  paths: readonly string[],
  deleteOne: (path: string) => Promise<void>,
): Promise<void> {
  let first: { readonly error: unknown } | undefined;
  await inParallel(
    paths,
    { atOnce: () => DELETED_AT_ONCE },
    (path) => deleteOne(path).catch((error) => void (first ??= { error })),
  );
  if (first !== undefined) throw first.error;
}
