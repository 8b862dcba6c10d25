import type { Figures } from "./measure.ts";
import { LIMITS, OWN_ROWS, type OwnRowName, PEER_GOALS, type RowName, ROWS } from "./rows.ts";

/** Medians of everything that was measured. */
export interface Report {
  readonly runs: number;
  readonly machine: string;
  readonly figures: Readonly<Record<string, Figures>>;
  readonly own: Readonly<Record<OwnRowName, number>>;
}

/** A goal and how far it is. */
export interface GoalState {
  readonly text: string;
  readonly met: boolean;
}

const PRODUCT = "sigmavault";

/** How a figure is written: three digits that count. */
function written(value: number | undefined): string {
  if (value === undefined) return "–";
  if (value >= 10_000) return `${(value / 1000).toFixed(1)}k`;
  if (value >= 100) return value.toFixed(0);
  if (value >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

/** Tables in Markdown: figures, and the product's over each peer's. */
export function tables({ figures, own }: Report): string {
  const names = Object.keys(figures);
  const rows = Object.entries(ROWS).map(([row, { text, unit }]) => [
    `${text}, ${unit}`,
    ...names.map((name) => written(figures[name][row as RowName])),
  ]);
  const ours = names.filter((name) => name.startsWith(PRODUCT));
  const pairs = ours.flatMap((our) =>
    names.filter((peer) => !peer.startsWith(PRODUCT)).map((peer) => [our, peer])
  );
  const ratios = Object.entries(ROWS).map(([row, { text }]) => [
    text,
    ...pairs.map(([our, peer]) => advantage(row as RowName, figures[our], figures[peer])),
  ]);
  const alone = Object.entries(OWN_ROWS).map(([row, { text, unit }]) => [
    `${text}, ${unit}`,
    written(own[row as OwnRowName]),
  ]);
  const heads = pairs.map(([our, peer]) => `${our.slice(PRODUCT.length + 1)} : ${peer}`);
  return [
    table(["", ...names], rows),
    "How many times better than the peer (below 1: worse):",
    table(["", ...heads], ratios),
    "In one process, without a mount:",
    table(["", PRODUCT], alone),
  ].join("\n\n");
}

/** Above 1 the product is better, whichever way the row counts. */
function advantage(row: RowName, ours: Figures, peers: Figures): string {
  const [our, peer] = [ours[row], peers[row]];
  if (our === undefined || peer === undefined || our === 0 || peer === 0) return "–";
  return `${(ROWS[row].more ? our / peer : peer / our).toFixed(2)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) =>
    Math.max(cell.length, 3, ...rows.map((row) => row[i].length))
  );
  const line = (cells: readonly string[]) =>
    `| ${
      cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join(
        " | ",
      )
    } |`;
  const rule = widths.map((width, i) => i === 0 ? "-".repeat(width) : "-".repeat(width - 1) + ":");
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

/** Every goal whose figures are there. */
export function goals({ figures, own }: Report): GoalState[] {
  const states: GoalState[] = [];
  for (const { row, contender, peer, factor } of PEER_GOALS) {
    const [our, other] = [figures[contender]?.[row], figures[peer]?.[row]];
    if (our === undefined || other === undefined) continue;
    const { text, more } = ROWS[row];
    const ratio = our / other;
    const bound = more ? "at least" : "at most";
    states.push({
      text: `${text}: ${contender} ${ratio.toFixed(2)} × ${peer}, goal ${bound} ${factor}`,
      met: more ? ratio >= factor : ratio <= factor,
    });
  }
  for (const { row, max } of LIMITS) {
    const figure = row in OWN_ROWS
      ? own[row as OwnRowName]
      : figures["sigmavault wasm"]?.[row as RowName];
    if (figure === undefined) continue;
    const { text, unit } = { ...ROWS, ...OWN_ROWS }[row];
    states.push({
      text: `${text}: ${written(figure)} ${unit}, goal at most ${max}`,
      met: figure <= max,
    });
  }
  return states;
}
