import assert from "node:assert/strict";
import { isoTime } from "../dates.ts";
import { dayText, minuteText, secondText } from "./times.ts";
import { parseWhen } from "./when.ts";

Deno.test("times: people are told the time here, and may say it again", () => {
  const time = new Date(2026, 4, 1, 7, 3, 9).getTime();
  assert.equal(secondText(isoTime(time)), "2026-05-01 07:03:09");
  assert.equal(minuteText(isoTime(time)), "2026-05-01 07:03");
  assert.equal(dayText(isoTime(time)), "2026-05-01");
  assert.deepEqual(parseWhen(secondText(isoTime(time)), Date.now()), { time });
});
