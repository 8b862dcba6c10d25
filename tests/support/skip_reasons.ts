/** Tests that cannot run carry the reason at the end of their name: `… (skipped: why)`, `… (why)` or `…: why`. */
const REASON = /(?:\((?:skipped: )?([^()]*)\)|: ([^:()]*))$/;

/** Skipped tests by reason, one line each, with the tests below. */
export function skipLines(names: readonly string[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const name of names) {
    const match = REASON.exec(name);
    const reason = match?.[1] ?? match?.[2] ?? "no reason given";
    byReason.set(reason, [...byReason.get(reason) ?? [], name.slice(0, match?.index).trimEnd()]);
  }
  return [...byReason].flatMap(([reason, tests]) => [
    `skipped ${tests.length}: ${reason}`,
    ...tests.map((test) => `    ${test}`),
  ]);
}
