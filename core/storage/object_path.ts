import { VaultError } from "../errors.ts";
import type { ObjectDescription, ObjectStore, StoreCapabilities } from "./object_store.ts";

/** Bytes of a path that some provider can take at most: S3's and Google's limit. */
const PATH_BYTES_MAX = 1024;
const SEPARATOR = "/";
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const METADATA_NAME = /^[a-z][a-z0-9-]{0,63}$/;
const METADATA_VALUE = /^(?:[!-~](?:[ -~]*[!-~])?)?$/;
const TAG_KEY = /^[A-Za-z0-9 +\-./:=_]{1,128}$/;
const TAG_VALUE = /^[A-Za-z0-9 +\-./:=_]{0,256}$/;
const TAGS_MAX = 10;

const encoder = new TextEncoder();

/** Where paths are limited, and who says so. */
export type PathRules = Pick<ObjectStore, "provider"> & {
  readonly capabilities: Pick<
    StoreCapabilities,
    "pathBytesMax" | "partBytesMax" | "refusedCharacters"
  >;
};

/**
 * Throws `invalid` for what is no path of an object: 1 to 1,024 bytes of UTF-8 (or what the provider takes), parts between
 * single `/`, none of them empty, `.` or `..`, no control characters, no lone surrogates.
 */
export function checkObjectPath(path: string, rules?: PathRules): void {
  const why = whyNoPath(path) ?? (rules && whyNotThere(path, rules));
  if (why === undefined) return;
  throw new VaultError("invalid", `Cannot use path ${JSON.stringify(path)}: ${why}`, {
    provider: rules?.provider,
  });
}

/** Whether {@linkcode checkObjectPath} accepts it, whatever the provider. */
export function isObjectPath(path: string): boolean {
  return whyNoPath(path) === undefined;
}

function whyNoPath(path: string): string | undefined {
  if (typeof path !== "string") return "it is no text";
  if (path === "") return "it is empty";
  if (encoder.encode(path).length > PATH_BYTES_MAX) return `more than ${PATH_BYTES_MAX} bytes`;
  if (!path.isWellFormed()) return "it is not Unicode text";
  if (CONTROL.test(path)) return "it has a control character";
  for (const part of path.split(SEPARATOR)) {
    if (part === "") return 'it begins or ends with "/", or has two side by side';
    if (part === "." || part === "..") return `it has the part "${part}"`;
  }
}

function whyNotThere(
  path: string,
  { provider, capabilities: { pathBytesMax, partBytesMax, refusedCharacters = "" } }: PathRules,
): string | undefined {
  const refused = [...refusedCharacters].find((it) => path.includes(it));
  if (refused !== undefined) return `${provider} takes no "${refused}" in paths`;
  if (encoder.encode(path).length > pathBytesMax) {
    return `more than the ${pathBytesMax} bytes that ${provider} takes`;
  }
  const isLong = (part: string) => encoder.encode(part).length > partBytesMax;
  if (path.split(SEPARATOR).some(isLong)) {
    return `a part of it has more than the ${partBytesMax} bytes that ${provider} takes`;
  }
}

/** Of what has no such type a pattern would test the text that it turns into, which is not what would be stored. */
function isText(pattern: RegExp, value: unknown): boolean {
  return typeof value === "string" && pattern.test(value);
}

/** Throws `invalid` where a description is not one that every provider keeps as it is. */
export function checkDescription(
  { contentType, metadata = {}, tags = {} }: ObjectDescription,
  { provider, capabilities: { metadataBytesMax } }: Pick<ObjectStore, "provider" | "capabilities">,
): void {
  const refuse = (what: string, why: string) => {
    throw new VaultError("invalid", `Cannot use ${what}: ${why}`, { provider });
  };
  if (contentType !== undefined && (contentType === "" || !isText(METADATA_VALUE, contentType))) {
    refuse(`content type ${JSON.stringify(contentType)}`, "want printable ASCII");
  }
  let bytes = 0;
  for (const [name, value] of Object.entries(metadata)) {
    bytes += name.length + value.length;
    if (!METADATA_NAME.test(name)) {
      refuse(`metadata name ${JSON.stringify(name)}`, "want a-z, 0-9 and -, a letter first");
    }
    if (!isText(METADATA_VALUE, value)) {
      refuse(`metadata "${name}"`, "want printable ASCII without spaces at its ends");
    }
  }
  if (bytes > metadataBytesMax) refuse("metadata", `more than ${metadataBytesMax} bytes`);
  const given = Object.entries(tags);
  if (given.length > TAGS_MAX) refuse("tags", `more than ${TAGS_MAX}`);
  for (const [key, value] of given) {
    if (!isText(TAG_KEY, key) || !isText(TAG_VALUE, value)) {
      refuse(`tag ${JSON.stringify(key)}`, "want letters, digits, spaces and + - . / : = _");
    }
  }
}

/** Compares paths by the bytes of their UTF-8, as providers order them. */
export function comparePaths(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

/** Surrogates stand for characters behind all others. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}
