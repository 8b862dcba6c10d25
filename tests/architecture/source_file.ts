import ts from "typescript";

/** One source file of the repository, parsed. */
export interface SourceFile {
  /** Path from the root of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly syntax: ts.SourceFile;
}

const ROOT = new URL("../../", import.meta.url);
/** Not our TypeScript: packages, AssemblyScript, what a tool generated. */
const SKIPPED = ["node_modules", "wasm/assembly", "coverage", "wasm/kernel_bytes.ts"];

/** Parses one file. */
export function parse(path: string, text: string): SourceFile {
  return { path, text, syntax: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true) };
}

/** Every TypeScript file of the repository. */
export function sourceFiles(): SourceFile[] {
  const files: SourceFile[] = [];
  const walk = (directory: string) => {
    for (const entry of Deno.readDirSync(new URL(directory, ROOT))) {
      const path = directory + entry.name;
      if (entry.name.startsWith(".") || SKIPPED.includes(path)) continue;
      if (entry.isDirectory) walk(path + "/");
      else if (path.endsWith(".ts")) {
        files.push(parse(path, Deno.readTextFileSync(new URL(path, ROOT))));
      }
    }
  };
  walk("");
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}

/** True for tests and what only they and benchmarks use. */
export function isTestCode(path: string): boolean {
  return path.endsWith("_test.ts") || path.startsWith("tests/") || path.startsWith("bench/");
}

/** Calls `visit` for every node below `node`. */
export function eachNode(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => eachNode(child, visit));
}

/** `path:line: what`, for a message that an editor can jump to. */
export function problemAt(file: SourceFile, position: number, what: string): string {
  const { line } = file.syntax.getLineAndCharacterOfPosition(position);
  return `${file.path}:${line + 1}: ${what}`;
}
