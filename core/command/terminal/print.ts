import { VaultError } from "../../errors.ts";
import type { Host } from "../host.ts";
import { type Style, styleOf } from "./colours.ts";

/** What every printing verb takes. */
export interface PrintOptions {
  readonly json?: boolean;
}

/** Prints a result: for people, or with `--json` as one line of JSON. */
export async function print<T>(
  host: Host,
  options: PrintOptions,
  value: T,
  text: (value: T, style: Style) => string,
): Promise<void> {
  const { out } = host;
  const isJson = options.json === true;
  await out.write(isJson ? JSON.stringify(value) + "\n" : text(value, styleOf(out)));
}

/** The same of what may hold a recovery code: where nobody has read that, `remedy` says what to do. */
export async function printCode<T extends { readonly recoveryCode?: unknown }>(
  host: Host,
  options: PrintOptions,
  value: T,
  { text, remedy }: { readonly text: (value: T, style: Style) => string; readonly remedy: string },
): Promise<void> {
  if (value.recoveryCode === undefined) return await print(host, options, value, text);
  const why = "Cannot show the recovery code, which nobody will learn now";
  try {
    await print(host, options, value, text);
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    throw new VaultError(error.kind, `${why}: ${remedy}`, { errno: error.errno, cause: error });
  }
  if (!host.out.isRead) throw new VaultError("unavailable", `${why}: ${remedy}`);
}
