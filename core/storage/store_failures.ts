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
