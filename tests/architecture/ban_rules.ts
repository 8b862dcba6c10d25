import ts from "typescript";
import { eachNode, isTestCode, problemAt, type SourceFile } from "./source_file.ts";

/** Core sees clock, randomness, environment and terminal through `Runtime` and arguments only. */
const CORE_BANS = [
  "Date.now",
  "Math.random",
  "Deno.env",
  "performance.now",
  "crypto.getRandomValues",
  "crypto.randomUUID",
];
const RUNTIME = "core/runtime.ts";
/** Written in halves, so that this file does not contain what it forbids. */
const UNFINISHED = new RegExp(
  `\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|")})\\b`,
  "g",
);
const SILENCED = /@ts-(ignore|nocheck|expect-error)|deno-lint-ignore-file/g;
const VAGUE = /(manager|helper|util|handler|processor|service)/i;

/** Public names that were given from outside, exactly these. */
const GIVEN_NAMES: ReadonlySet<string> = new Set([
  "TransactionManager",
  "transaction_manager",
  "storageHandler",
]);

/** What no file may contain. */
export function banProblems(file: SourceFile): string[] {
  return [...codeProblems(file), ...textProblems(file), ...nameProblems(file)];
}

function codeProblems(file: SourceFile): string[] {
  const problems: string[] = [];
  const inCore = file.path.startsWith("core/") && !isTestCode(file.path) && file.path !== RUNTIME;
  eachNode(file.syntax, (node) => {
    if (node.kind === ts.SyntaxKind.AnyKeyword) {
      problems.push(problemAt(file, node.getStart(), `type "any"`));
    }
    const banned = inCore ? bannedInCore(node) : undefined;
    if (banned !== undefined) {
      problems.push(
        problemAt(file, node.getStart(), `"${banned}" in core: use Runtime or arguments`),
      );
    }
  });
  return problems;
}

function bannedInCore(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node)) {
    const text = node.getText();
    if (CORE_BANS.includes(text)) return text;
    return text.startsWith("console.") ? text : undefined;
  }
  const isDate = ts.isNewExpression(node) && node.expression.getText() === "Date";
  return isDate && (node.arguments?.length ?? 0) === 0 ? "new Date()" : undefined;
}

function textProblems(file: SourceFile): string[] {
  const problems: string[] = [];
  for (const match of file.text.matchAll(UNFINISHED)) {
    problems.push(problemAt(file, match.index, `unfinished: "${match[0]}"`));
  }
  if (file.path.startsWith("tests/architecture/")) return problems;
  for (const match of file.text.matchAll(SILENCED)) {
    problems.push(problemAt(file, match.index, `a check is silenced: "${match[0]}"`));
  }
  return problems;
}

function nameProblems(file: SourceFile): string[] {
  const problems: string[] = [];
  const name = file.path.slice(file.path.lastIndexOf("/") + 1);
  if (!/^[a-z0-9_]+\.ts$/.test(name)) problems.push(`${file.path}:1: not a snake_case file name`);
  const isVague = (text: string) => VAGUE.test(text) && !GIVEN_NAMES.has(text);
  if (isVague(name.replace(/(_test)?\.ts$/, ""))) {
    problems.push(`${file.path}:1: a file name that says nothing`);
  }
  eachNode(file.syntax, (node) => {
    const named = ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node) ||
      ts.isTypeAliasDeclaration(node) || ts.isFunctionDeclaration(node);
    if (named && node.name !== undefined && isVague(node.name.text)) {
      problems.push(
        problemAt(file, node.getStart(), `"${node.name.text}" says nothing: name the thing`),
      );
    }
  });
  return problems;
}
