import { VaultError, type VaultErrorKind } from "../errors.ts";

/** Exit codes: one for each way a script can react. */
export const EXIT_CODES: Readonly<Record<VaultErrorKind | "ok" | "bug", number>> = {
  ok: 0,
  bug: 1,
  invalid: 2,
  denied: 3,
  missing: 4,
  conflict: 5,
  unavailable: 6,
  corrupt: 7,
};

/** A shell's code for a program that Ctrl-C ended: 128 + SIGINT. */
export const INTERRUPTED = 130;

/** Why work ends that somebody stopped: what was done stays done. */
export function stopped(what: string): VaultError {
  return new VaultError("unavailable", what, { errno: "EINTR" });
}

/** The code that a program ends with for an error that people are told. */
export function exitCodeOf({ kind, errno }: VaultError): number {
  return errno === "EINTR" ? INTERRUPTED : EXIT_CODES[kind];
}

/** A command that was run for the user failed: this program ends with its exit code, and has said why. */
export class CommandFailed extends Error {
  override name = "CommandFailed";
  readonly code: number;

  constructor(code: number) {
    super(`the command ended with ${code}`);
    this.code = code;
  }
}

/** The end of every `--help`. */
export const EXIT_CODES_TEXT = `
Exit codes:
  0  done
  1  a bug of sigmavault: please report it
  2  invalid: wrong usage or a value that cannot be
  3  denied: wrong secret (or not a vault), or not permitted
  4  missing: no such file, medium or mount
  5  conflict: it exists already, or somebody else uses it
  6  unavailable: the system below refused; later it may work
  7  corrupt: an authentication failed; run "sigmavault check"
130  interrupted
`;
