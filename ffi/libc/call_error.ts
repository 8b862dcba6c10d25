import { constants } from "node:os";

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** What a failed call throws: `code` is the name of its errno, as in the errors of Deno and Node. */
export type CallError = Error & { code: string };

/** The error of a call. */
export function callError(call: string, errno: number): CallError {
  const code = NAMES.get(errno) ?? `errno ${errno}`;
  return Object.assign(new Error(`${call}: ${code}`), { code });
}
