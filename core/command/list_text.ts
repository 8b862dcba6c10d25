import type { ChangeReport, ListedEntry, TransferReport, TreeEntry } from "./files.ts";
import { formatRate, formatSize, plural } from "./sizes.ts";
import { minuteText } from "./times.ts";
import { columns, printable, type Style } from "./terminal/colours.ts";

const MARKS: Readonly<Record<string, string>> = {
  file: "-",
  directory: "d",
  symlink: "l",
  fifo: "p",
  socket: "s",
  "block-device": "b",
  "character-device": "c",
};

/** Of owner, group and others: where their bits begin, and the bit that shows in the place of the last one, without and with it. */
const TRIPLES = [[6, 0o4000, "Ss"], [3, 0o2000, "Ss"], [0, 0o1000, "Tt"]] as const;

function modeText({ kind, mode }: ListedEntry): string {
  const bits = parseInt(mode, 8);
  let text = MARKS[kind];
  for (const [shift, special, mark] of TRIPLES) {
    const three = bits >>> shift & 7;
    const last = bits & special ? mark[three & 1] : "-x"[three & 1];
    text += (three & 4 ? "r" : "-") + (three & 2 ? "w" : "-") + last;
  }
  return text;
}

function nameText(entry: ListedEntry, style: Style): string {
  const name = printable(entry.name);
  if (entry.kind === "directory") return style.blue(name === "/" ? name : `${name}/`);
  if (entry.kind === "symlink") return `${style.cyan(name)} -> ${printable(entry.target ?? "")}`;
  return parseInt(entry.mode, 8) & 0o111 ? style.green(name) : name;
}

/** Names, one a line. */
export function listText(entries: readonly ListedEntry[], style: Style): string {
  return entries.map((entry) => nameText(entry, style) + "\n").join("");
}

/** Names with mode, size and time. */
export function longListText(entries: readonly ListedEntry[], style: Style): string {
  return columns(
    entries.map((entry) => [
      modeText(entry),
      `${entry.uid}`,
      `${entry.gid}`,
      `${entry.bytes}`,
      minuteText(entry.modified),
      nameText(entry, style) + (entry.locked ? style.red(" (locked)") : ""),
    ]),
    [1, 2, 3],
  );
}

/** A tree with its branches drawn. */
export function treeText(root: TreeEntry, style: Style): string {
  const lines = [nameText(root, style)];
  const draw = (entries: readonly TreeEntry[], indent: string) => {
    entries.forEach((entry, i) => {
      const isLast = i === entries.length - 1;
      lines.push(`${indent}${isLast ? "└── " : "├── "}${nameText(entry, style)}`);
      if (entry.entries) draw(entry.entries, indent + (isLast ? "    " : "│   "));
    });
  };
  draw(root.entries ?? [], "");
  return lines.join("\n") + "\n";
}

/** What was copied, in a line. */
export function transferText(verb: string, report: TransferReport): string {
  const { files, directories, symlinks, fifos, bytes, milliseconds } = report;
  const parts = [plural(files, "file")];
  if (directories > 0) parts.push(plural(directories, "directory"));
  if (symlinks > 0) parts.push(plural(symlinks, "symlink"));
  if (fifos > 0) parts.push(plural(fifos, "fifo"));
  return `${verb} ${parts.join(", ")}: ${formatSize(bytes)} at ${
    formatRate(bytes, milliseconds)
  }\n`;
}

/** What was changed, in a line. */
export function changeText(verb: string, { count }: ChangeReport): string {
  return `${verb} ${count}\n`;
}
