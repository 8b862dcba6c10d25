import { VaultError } from "../errors.ts";

/** Characters of a settings file. */
const CHARACTERS_MAX = 1024 * 1024;

/** Settings in a file: TOML where its name ends so, else JSON. To be checked. */
export async function settingsIn(
  file: { readonly name: string; readonly text: string },
): Promise<unknown> {
  const { name, text } = file;
  if (text.length > CHARACTERS_MAX) throw refusal(name, `more than ${CHARACTERS_MAX} characters`);
  if (!name.toLowerCase().endsWith(".toml")) return parsedJson(name, text);
  const { parse, TomlError } = await import("smol-toml");
  try {
    return parse(text);
  } catch (error) {
    // The parser's own message quotes lines, which may hold secrets.
    if (error instanceof TomlError) {
      throw refusal(name, `not TOML at line ${error.line}, column ${error.column}`);
    }
    throw error;
  }
}

function parsedJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refusal(name, "it is not JSON");
  }
}

function refusal(name: string, why: string): VaultError {
  return new VaultError("invalid", `Cannot read storage settings "${name}": ${why}`, {
    operation: "configure",
  });
}
