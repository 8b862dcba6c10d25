import { VaultError, type VaultErrorKind } from "../../core/errors.ts";
import { TimeLimitError } from "../../core/storage/time_limit.ts";

/** What PostgreSQL's codes begin with (its manual, appendix A), where that is not `unavailable`. */
const KINDS: readonly (readonly [code: string, kind: VaultErrorKind])[] = [
  ["28", "denied"], // credentials
  ["42501", "denied"], // privileges
  ["3D000", "missing"], // the database
  ["42P01", "missing"], // a table that somebody dropped
  ["3F000", "missing"], // the schema
  ["XX001", "corrupt"],
  ["XX002", "corrupt"],
  ["42", "invalid"],
  ["22", "invalid"],
  ["23", "invalid"],
];

/** Names of the client, not of the server, for credentials that do not fit. */
const DENIED = /^SASL_|^AUTH_TYPE/;
/** Five characters, a digit or capital letter each. */
const SERVER_CODE = /^[0-9A-Z]{5}$/;

/** The error for what the client threw, without what it remembers: statements, their values, the address with its password. */
export function postgresFailure(error: unknown, place: string): unknown {
  if (error instanceof VaultError || !(error instanceof Error)) return error;
  const refuse = (kind: VaultErrorKind, why: string) => {
    const cause = new Error(why);
    cause.name = codeOf(error) ?? error.name;
    return new VaultError(kind, `Cannot use the catalogue at ${place}: ${why}`, {
      provider: "postgres",
      cause,
    });
  };
  if (error.name === "NotCapable") {
    return refuse("denied", `this program may not: ${oneLine(error.message)}`);
  }
  if (error instanceof TimeLimitError) return refuse("unavailable", error.message);
  const code = codeOf(error);
  // Only what a server or a socket said has a code; anything else is a mistake of ours.
  if (code === undefined) return error;
  const isServers = SERVER_CODE.test(code) && "severity" in error;
  if (!isServers) {
    const kind = DENIED.test(code) ? "denied" : "unavailable";
    return refuse(kind, `it cannot be reached (${code})`);
  }
  const kind = KINDS.find(([start]) => code.startsWith(start))?.[1] ?? "unavailable";
  return refuse(kind, `${oneLine(error.message)} (${code})`);
}

function codeOf(error: Error): string | undefined {
  return "code" in error && typeof error.code === "string" ? error.code : undefined;
}

function oneLine(message: string): string {
  return message.split("\n")[0].replace(/\.$/, "");
}
