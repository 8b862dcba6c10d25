import { SystemCalls } from "./system_calls.ts";

/** Runs each chapter in a directory of its own, with no umask and with the identity of root. */
export async function runChapters(
  t: Deno.TestContext,
  root: string,
  chapters: Record<string, (calls: SystemCalls) => void>,
): Promise<void> {
  for (const [name, chapter] of Object.entries(chapters)) {
    await t.step(name, () => {
      const directory = `${root}/${name}`;
      Deno.mkdirSync(directory);
      using calls = new SystemCalls(directory);
      calls.umask(0, () => chapter(calls));
    });
  }
}
