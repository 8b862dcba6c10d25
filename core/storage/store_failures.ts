import { VaultError } from "../errors.ts";

/** True where the same call may work later. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof VaultError && error.kind === "unavailable";
}

/** Null where a store is away. */
export async function unlessAway<T>(call: () => Promise<T>): Promise<T | null> {
  try {
    return await call();
  } catch (error) {
    if (isUnavailable(error)) return null;
    throw error;
  }
}

/** False where somebody else changed it. */
export async function unlessChanged(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call();
    return true;
  } catch (error) {
    if (error instanceof VaultError && error.kind === "conflict") return false;
    throw error;
  }
}

/** True where there is no such thing. */
export function isMissing(error: unknown): boolean {
  return error instanceof VaultError && error.kind === "missing";
}

/** Null where there is no such thing. */
export async function unlessMissing<T>(call: () => Promise<T>): Promise<T | null> {
  try {
    return await call();
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
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
