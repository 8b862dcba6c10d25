import ts from "typescript";
import { eachNode, problemAt, type SourceFile } from "./source_file.ts";

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const PARAMETERS_MAX = 4;

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
    if (node.parameters.length > PARAMETERS_MAX) {
      const count = node.parameters.length;
      problems.push(problemAt(file, start, `${count} positional parameters, at most 4`));
    }
  });
  return problems;
}

function lineOf(file: SourceFile, position: number): number {
  return file.syntax.getLineAndCharacterOfPosition(position).line;
}
