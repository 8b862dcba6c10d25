import { VaultError } from "../../core/errors.ts";

/** Loads the client of a provider, which asks for permissions of its own. */
export async function loadClient<T>(provider: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const isDenied = cause instanceof Deno.errors.NotCapable;
    const why = isDenied ? `this program may not: ${cause.message}` : "it cannot be loaded";
    throw new VaultError(
      isDenied ? "denied" : "invalid",
      `Cannot use the client of ${provider}: ${why}`,
      {
        provider,
        cause,
      },
    );
  }
}
