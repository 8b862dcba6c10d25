import assert from "node:assert/strict";
import { printable } from "./colours.ts";

Deno.test("names: what commands a terminal, or hides what a name is, is written out", () => {
  assert.equal(printable("a\x1b[31m\x9bb\n"), "a\\x1b[31m\\x9bb\\x0a");
  assert.equal(printable("txt.\u202eexe\u200b\u2028"), "txt.\\u{202e}exe\\u{200b}\\u{2028}");
  for (const name of ["größe", "👩‍💻", "نمی‌خواهم", "a b"]) assert.equal(printable(name), name);
});
