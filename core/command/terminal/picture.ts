import { CELL, CELL_NAMES } from "../cell_map.ts";
import type { Style } from "./colours.ts";

/** What is drawn. */
export interface PictureParts {
  /** What each cell holds. */
  readonly map: Uint8Array;
  /** A byte of each cell. */
  readonly raw: Uint8Array;
  /** Characters of a line. */
  readonly width: number;
  readonly style: Style;
}

/** The picture, and a sample of each kind for the legend. */
export interface Picture {
  readonly text: string;
  sample(kind: number): string;
}

const GAP = 2;
const PANEL_MAX = 64;
const ROWS_MAX = 20;
/** Without colours, from empty to full. */
const SHADES = [" ", "░", "▒", "▓", "█"];
const LETTERS = [".", "d", "t", "m", "H"];

/** Of the 256 that every terminal has, near to Okabe and Ito's palette, which the colour-blind tell apart. */
const COLOURS = [235, 74, 36, 214, 175];
const GREY_FIRST = 232;
const GREYS = 24;

/** Two panels: what the key shows, and what everybody sees. */
export function picture(parts: PictureParts): Picture {
  const { width, style } = parts;
  const inColour = style.bold("x") !== "x";
  const panel = Math.max(8, Math.min(PANEL_MAX, Math.floor((width - GAP) / 2)));
  const cells = parts.map.length;
  // In colour one character shows two cells, one above the other.
  const perCharacter = inColour ? 2 : 1;
  const rows = Math.min(ROWS_MAX, Math.ceil(cells / (panel * perCharacter)));
  const pixels = panel * rows * perCharacter;
  const kinds = Array.from({ length: pixels }, (_, i) => strongest(parts.map, i, pixels));
  const bytes = Array.from({ length: pixels }, (_, i) => parts.raw[Math.floor(i * cells / pixels)]);
  const lines = [
    style.bold("with the key".padEnd(panel + GAP)) + style.bold("without the key"),
  ];
  for (let row = 0; row < rows; row++) {
    const line = (values: readonly number[], draw: Draw) =>
      Array.from({ length: panel }, (_, x) => {
        const at = row * perCharacter * panel + x;
        return draw(values[at], values[at + panel * (perCharacter - 1)]);
      }).join("");
    const [known, noise] = inColour ? [drawKind, drawByte] : [letterOf, shadeOf];
    const end = inColour ? "\x1b[0m" : "";
    lines.push(`${line(kinds, known)}${end}${" ".repeat(GAP)}${line(bytes, noise)}${end}`);
  }
  return {
    text: lines.join("\n") + "\n",
    sample: (kind) => inColour ? `${drawKind(kind, kind)}\x1b[0m` : LETTERS[kind],
  };
}

type Draw = (above: number, below: number) => string;

/** Of the cells behind a pixel the rarest kind that is there: single nodes must not vanish. */
function strongest(map: Uint8Array, pixel: number, pixels: number): number {
  const from = Math.floor(pixel * map.length / pixels);
  const to = Math.max(from + 1, Math.floor((pixel + 1) * map.length / pixels));
  let kind: number = CELL.free;
  for (let cell = from; cell < to; cell++) kind = Math.max(kind, map[cell]);
  return kind;
}

function half(above: number, below: number): string {
  return `\x1b[38;5;${above};48;5;${below}m▀`;
}

function grey(byte: number): number {
  return GREY_FIRST + Math.floor(byte * GREYS / 256);
}

const drawKind: Draw = (above, below) => half(COLOURS[above], COLOURS[below]);
const drawByte: Draw = (above, below) => half(grey(above), grey(below));
const letterOf: Draw = (kind) => LETTERS[Math.min(kind, CELL_NAMES.length - 1)];
const shadeOf: Draw = (byte) => SHADES[Math.floor(byte * SHADES.length / 256)];
