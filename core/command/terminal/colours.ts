import type { Output } from "../host.ts";

/** Text styles; without colour they change nothing. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  blue(text: string): string;
  cyan(text: string): string;
}

/** The styles that an output can show. */
export function styleOf(output: Pick<Output, "colour">): Style {
  const paint = (on: number, off: number) => (text: string) =>
    output.colour ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    blue: paint(34, 39),
    cyan: paint(36, 39),
  };
}

/** What is not seen, ends a line, or turns the direction of what follows. */
const UNSEEN = /[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]/;

/** Names come from anywhere: control characters would command the terminal, and others show another name than it is. */
export function printable(name: string): string {
  let text = "";
  for (const character of name) {
    const code = character.codePointAt(0)!;
    const isControl = code < 0x20 || (code >= 0x7f && code < 0xa0);
    if (isControl) text += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (UNSEEN.test(character)) text += `\\u{${code.toString(16)}}`;
    else text += character;
  }
  return text;
}

/** Lines of columns; columns named in `right` are aligned to the right. */
export function columns(rows: readonly (readonly string[])[], right: readonly number[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, cell.length));
  }
  return rows.map((row) =>
    row.map((cell, i) => {
      if (right.includes(i)) return cell.padStart(widths[i]);
      return i === row.length - 1 ? cell : cell.padEnd(widths[i]);
    }).join("  ") + "\n"
  ).join("");
}
