import ts from "typescript";
import { eachNode, problemAt, type SourceFile } from "./source_file.ts";

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const PARAMETERS_MAX = 4;
/** POSIX fixed their arguments long ago: splitting them would hide what everybody knows. */
const POSIX_CALLS = ["mknod", "symlink", "setxattr"];

/** Files, functions and parameter lists that are too long. */
export function budgetProblems(file: SourceFile): string[] {
  const problems: string[] = [];
  const lines = file.text.replace(/\n$/, "").split("\n").length;
  if (lines > FILE_LINES_MAX) problems.push(problemAt(file, 0, `${lines} lines, at most 400`));
  eachNode(file.syntax, (node) => {
    if (!ts.isFunctionLike(node) || ts.isFunctionTypeNode(node)) return;
    const start = node.getStart();
    const length = lineOf(file, node.end) - lineOf(file, start) + 1;
    if (length > FUNCTION_LINES_MAX) {
      problems.push(problemAt(file, start, `function of ${length} lines, at most 70`));
    }
    if (node.parameters.length > PARAMETERS_MAX && !isGiven(node)) {
      const count = node.parameters.length;
      problems.push(problemAt(file, start, `${count} positional parameters, at most 4`));
    }
  });
  return problems;
}

/** True for a signature that is not ours to choose: a POSIX call, an export of the WASM module. */
function isGiven(node: ts.SignatureDeclaration): boolean {
  const { parent, name } = node;
  if (name !== undefined && POSIX_CALLS.includes(name.getText())) return true;
  return ts.isInterfaceDeclaration(parent) &&
    (parent.heritageClauses ?? []).some((it) => it.getText().includes("WebAssembly.Exports"));
}

function lineOf(file: SourceFile, position: number): number {
  return file.syntax.getLineAndCharacterOfPosition(position).line;
}
