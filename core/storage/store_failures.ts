import { VaultError } from "../errors.ts";

/** True where the same call may work later. */
export function isUnavailable(error: unknown): error is VaultError {
  return error instanceof VaultError && error.kind === "unavailable";
}

/** True where somebody else changed it. */
export function isConflict(error: unknown): error is VaultError {
  return error instanceof VaultError && error.kind === "conflict";
}

/** True where there is no such thing. */
export function isMissing(error: unknown): error is VaultError {
  return error instanceof VaultError && error.kind === "missing";
}

/** Null where a call fails so. */
export async function unless<T>(
  isSo: (error: unknown) => boolean,
  call: () => Promise<T>,
): Promise<T | null> {
  try {
    return await call();
  } catch (error) {
    if (isSo(error)) return null;
    throw error;
  }
}

/** Null where a store is away. */
export function unlessAway<T>(call: () => Promise<T>): Promise<T | null> {
  return unless(isUnavailable, call);
}

/** Null where there is no such thing. */
export function unlessMissing<T>(call: () => Promise<T>): Promise<T | null> {
  return unless(isMissing, call);
}

/** False where somebody else changed it. */
export async function unlessChanged(call: () => Promise<unknown>): Promise<boolean> {
  return await unless(isConflict, () => call().then(() => true)) ?? false;
}

/** Does `work` on one after the other; throws the first failure when all were tried. */
export async function tryEach<T>(
  items: Iterable<T>,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let first: { readonly error: unknown } | undefined;
  for (const item of items) await work(item).catch((error) => void (first ??= { error }));
  if (first !== undefined) throw first.error;
}
