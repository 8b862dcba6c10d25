/** One test as `deno test --junit-path` reports it. */
export interface JunitCase {
  readonly file: string;
  readonly name: string;
  readonly state: "passed" | "failed" | "skipped";
}

const ENTITIES: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

/** Reads a report; an empty one has no tests. */
export function readJunit(xml: string): JunitCase[] {
  const cases: JunitCase[] = [];
  for (
    const [, attributes, end, body] of xml.matchAll(
      /<testcase ([^>]*?)(?:(\/>)|>([^]*?)<\/testcase>)/g,
    )
  ) {
    const attribute = (name: string) => {
      const value = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
      return value.replace(/&(lt|gt|quot|apos|amp);/g, (_, entity) => ENTITIES[entity]);
    };
    const inside = end === undefined ? body : "";
    const state = /<(failure|error)\b/.test(inside)
      ? "failed"
      : /<skipped\b/.test(inside)
      ? "skipped"
      : "passed";
    cases.push({
      file: attribute("classname").replace(/^\.\//, ""),
      name: attribute("name"),
      state,
    });
  }
  return cases;
}
