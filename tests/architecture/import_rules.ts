import ts from "typescript";
import { eachNode, isTestCode, problemAt, type SourceFile } from "./source_file.ts";

/** One `import` or `export … from` of a file. */
interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
  /** By `import()`, when it is needed. */
  readonly late: boolean;
  readonly position: number;
}

/**
 * What each part of core may import beside itself and the files directly in `core/`. The order is
 * from the bottom up, and nothing names a part that comes later.
 */
const CORE_LAYERS: Record<string, readonly string[]> = {
  format: [],
  storage: ["format"],
  objects: ["storage"],
  http: ["storage", "objects"],
  crypto: ["format", "storage"],
  btree: ["format"],
  block: ["format", "crypto", "storage", "btree"],
  tree: ["format", "crypto", "btree", "block", "storage"],
  volume: ["format", "crypto", "storage", "btree", "block", "tree"],
  fs: ["format", "crypto", "volume"],
  vault: ["format", "crypto", "storage", "btree", "block", "tree", "volume", "fs"],
  command: ["format", "crypto", "storage", "objects", "block", "volume", "fs", "vault"],
};

/** Parts that may know only the shape of another: they hand on what they were given. */
const TYPE_ONLY: readonly (readonly [from: string, to: string])[] = [
  ["core/tree", "core/storage"], // the tree knows nothing of places
  ["ffi", "backends"], // libc implements an interface of the file backend
];

/** What each top-level folder may import beside itself; `cli.ts` and `mod.ts` wire everything. */
const FOLDERS: Record<string, readonly string[]> = {
  core: [],
  wasm: ["core", "ffi/libc", "ffi/libcrypto"], // crypto workers write to the medium, in either lane
  backends: ["core"],
  ffi: ["core", "backends"],
};

/** Where a thread or a command starts, parts are put together as `cli.ts` does it. */
const WIRING = [
  "backends/vault/open_vault.ts",
  "ffi/crypto_lane.ts",
  "ffi/host/command_line.ts",
  "ffi/host/deno_host.ts",
  "ffi/mount.ts",
  "ffi/mount_messages.ts",
  "ffi/mount_worker.ts",
  "ffi/open_vault_medium.ts",
  "ffi/rehearse.ts",
];

/** Node modules that reach outside the process: core gets such things as arguments. */
const IO_MODULES =
  /^node:(fs|net|http|https|http2|tls|dgram|dns|child_process|os|worker_threads|sqlite)\b/;

/** Clients of servers, and what transforms images: some 100 ms and 30 MiB each, for those only who use them. */
const LATE_PACKAGES = /^(npm:)?(@(aws-sdk|azure|google-cloud)\/|sharp$|postgres$)/;

/** Imports that point the wrong way. Tests and benchmarks may import everything but JSR. */
export function importProblems(file: SourceFile): string[] {
  const problems: string[] = [];
  for (const it of importsOf(file)) {
    const why = whyRefused(file.path, it);
    if (why !== undefined) problems.push(problemAt(file, it.position, why));
  }
  return problems;
}

/** Cycles among imports of values, each as the paths it runs through. */
export function importCycles(files: readonly SourceFile[]): string[] {
  const edges = new Map(files.map((file) => [
    file.path,
    importsOf(file).filter((it) => !it.typeOnly).map((it) =>
      resolve(file.path, it.specifier) ?? ""
    ),
  ]));
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: string[]) => {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push([...trail.slice(start), path].join(" → "));
    if (start >= 0 || done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return cycles;
}

function whyRefused(path: string, it: Import): string | undefined {
  if (it.specifier.startsWith("jsr:")) return `imports "${it.specifier}": JSR may be out of reach`;
  if (isTestCode(path)) return undefined;
  if (LATE_PACKAGES.test(it.specifier) && !it.typeOnly && !it.late) {
    return `imports "${it.specifier}" at once: load it when it is needed`;
  }
  const target = resolve(path, it.specifier);
  if (target === undefined) {
    const isCore = path.startsWith("core/");
    return isCore && IO_MODULES.test(it.specifier)
      ? `core imports "${it.specifier}": take it as an argument`
      : undefined;
  }
  if (isTestCode(target)) return `imports test code "${target}"`;
  const [from, to] = [partOf(path), partOf(target)];
  if (WIRING.includes(path) && to !== "") return undefined;
  if (from === to || mayImport(from, to)) {
    const shapeOnly = TYPE_ONLY.some(([a, b]) => within(from, a) && within(to, b));
    return shapeOnly && !it.typeOnly ? `${from} may import only types of ${to}` : undefined;
  }
  return `${from} must not import ${to} ("${target}")`;
}

function mayImport(from: string, to: string): boolean {
  const [fromFolder, toFolder] = [from.split("/")[0], to.split("/")[0]];
  if (fromFolder === "") return true; // cli.ts, mod.ts
  if (toFolder === "") return false; // nobody imports what wires everything
  if (fromFolder !== toFolder) {
    return FOLDERS[fromFolder]?.some((allowed) => within(to, allowed)) ?? false;
  }
  if (fromFolder !== "core") return true;
  if (to === "core") return true;
  const layer = CORE_LAYERS[from.slice("core/".length)];
  return layer?.includes(to.slice("core/".length)) ?? false;
}

/** The part of the repository a file belongs to: `core/block`, `core`, `ffi/libc`, or `""` at the top. */
function partOf(path: string): string {
  const folders = path.split("/").slice(0, -1);
  return folders.slice(0, 2).join("/");
}

function within(part: string, outer: string): boolean {
  return part === outer || part.startsWith(outer + "/");
}

/** The repository path of a relative specifier; undefined for packages. */
function resolve(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

function importsOf(file: SourceFile): Import[] {
  const imports: Import[] = [];
  eachNode(file.syntax, (node) => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      const { moduleSpecifier } = node;
      if (moduleSpecifier === undefined || !ts.isStringLiteral(moduleSpecifier)) return;
      const position = node.getStart();
      imports.push({
        specifier: moduleSpecifier.text,
        typeOnly: isTypeOnly(node),
        late: false,
        position,
      });
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [target] = node.arguments;
      if (target !== undefined && ts.isStringLiteralLike(target)) {
        const position = node.getStart();
        imports.push({ specifier: target.text, typeOnly: false, late: true, position });
      }
    }
  });
  return imports;
}

/** `import type …`, and `import { type A, type B }` as well. */
function isTypeOnly(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  const clause = node.importClause;
  if (clause === undefined) return false;
  if (clause.isTypeOnly) return true;
  const names = clause.namedBindings;
  return clause.name === undefined && names !== undefined && ts.isNamedImports(names) &&
    names.elements.length > 0 && names.elements.every((element) => element.isTypeOnly);
}
