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
  const isJson = options.json === true;
  await host.out.write(isJson ? JSON.stringify(value) + "\n" : text(value, styleOf(host.out)));
}
