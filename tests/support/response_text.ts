import assert from "node:assert/strict";

/** The text of a response that has to have this status. */
export async function textOf(response: Response, status: number): Promise<string> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  return text;
}
