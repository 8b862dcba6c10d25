/** Rows of figures, one column for each contender, and the product's share of the plain SDK's. */
import { median } from "../filesystems/rows.ts";
import type { Contender } from "./contenders.ts";

/** Figures of one row, by contender. */
export type Samples = Map<string, number[]>;

/** No figures yet. */
export function samples(contenders: readonly Contender[]): Samples {
  return new Map(contenders.map(({ name }) => [name, []]));
}

/** The head of a table of these contenders. */
export function head(title: string, contenders: readonly Contender[]): void {
  console.log(`\n| ${title} | ${contenders.map(({ name }) => name).join(" | ")} | of the SDK |`);
  console.log(`| --- |${" ---: |".repeat(contenders.length + 1)}`);
}

/** One row: what `of` makes of the figures, which is the median unless given. */
export function row(text: string, figures: Samples, of: (all: number[]) => number = median): void {
  const values = [...figures].map(([name, all]) => [name, of(all)] as const);
  const by = Object.fromEntries(values);
  const digits = (value: number) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
  const share = by["ΣVAULT"] / by.SDK;
  console.log(
    `| ${text} | ${values.map(([, value]) => digits(value)).join(" | ")} | ${share.toFixed(2)} |`,
  );
}

/** The value below which so much of them lies: 0.95. */
export function quantile(share: number): (all: number[]) => number {
  return (all) =>
    all.toSorted((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * share))];
}

/** Milliseconds that it takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
