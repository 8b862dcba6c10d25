/**
 * The verbs on files: ls, tree, cat, get, put, mkdir, mv, rm.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import { CopiedLinks } from "./copied_links.ts";
import {
  type CopyOptions,
  type CopyReport,
  copyTree,
  emptyReport,
  statOrNull,
  targetOf,
} from "./copy_tree.ts";
import { bytesOf } from "./file_parts.ts";
import { identityOf, requireOutside } from "./own_medium.ts";
import { type FileTree, joinPath, nameOf, type NodeKind, parentOf } from "./file_tree.ts";
import type { Host } from "./host.ts";
import { type OpenTree, type VaultTarget, withTree } from "./open.ts";
import { plural } from "./sizes.ts";
import { bytesBelow, EnteredDirectories, removeTree } from "./tree_walks.ts";
import { isoTime } from "../dates.ts";
import { millisecondsOf } from "./times.ts";
import { printable } from "./terminal/colours.ts";
import { Interrupted } from "./terminal/prompt.ts";
import { progressOn } from "./terminal/progress.ts";

/** A name as `ls` and `tree` print it. */
export interface ListedEntry {
  readonly path: string;
  readonly name: string;
  readonly kind: NodeKind;
  readonly bytes: number;
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** ISO 8601. */
  readonly modified: string;
  readonly target?: string;
  /** Its content has a passphrase of its own, or was shredded. */
  readonly locked?: true;
}

/** `ls`: what a directory holds, or the one thing that a path names. */
export async function list(target: VaultTarget, typed: string): Promise<ListedEntry[]> {
  return await withTree(target, "read", async (open) => {
    const path = open.path(typed);
    const own = await open.tree.stat(path);
    if (own.kind !== "directory") return [await entryOf(open, path)];
    const names = (await open.tree.list(path)).sort();
    const entries: ListedEntry[] = [];
    for (const name of names) entries.push(await entryOf(open, joinPath(path, name)));
    return entries;
  });
}

/** A directory with what it holds, for `tree`. */
export interface TreeEntry extends ListedEntry {
  readonly entries?: readonly TreeEntry[];
}

/** `tree`. */
export async function tree(
  target: VaultTarget,
  typed: string,
  options: { readonly depth: number },
): Promise<TreeEntry> {
  return await withTree(
    target,
    "read",
    async (open) =>
      await below({ open, entered: new EnteredDirectories() }, open.path(typed), options.depth),
  );
}

interface Walk {
  readonly open: OpenTree;
  readonly entered: EnteredDirectories;
}

async function below(walk: Walk, path: string, depth: number): Promise<TreeEntry> {
  const { open, entered } = walk;
  const own = await entryOf(open, path);
  if (own.kind !== "directory" || depth === 0) return own;
  entered.enter(open.tree, path, await open.tree.stat(path));
  const entries: TreeEntry[] = [];
  for (const name of (await open.tree.list(path)).sort()) {
    entries.push(await below(walk, joinPath(path, name), depth - 1));
  }
  return { ...own, entries };
}

async function entryOf(open: OpenTree, path: string): Promise<ListedEntry> {
  const stat = await open.tree.stat(path);
  const { kind, bytes, mode, uid, gid, modified } = stat;
  const isLocked = kind === "file" && await open.isLocked(path, stat);
  const shown = open.shown(path);
  return {
    path: shown,
    name: nameOf(shown) || "/",
    kind,
    bytes,
    mode: mode.toString(8).padStart(4, "0"),
    uid,
    gid,
    modified: isoTime(millisecondsOf(modified)),
    target: kind === "symlink" ? await open.tree.readLink(path) : undefined,
    locked: isLocked || undefined,
  };
}

/** `cat`: files to standard output, one behind another. */
export async function cat(target: VaultTarget, paths: readonly string[]): Promise<void> {
  await withTree(target, "read", async (open) => {
    for (const typed of paths) {
      for await (const part of open.tree.read(open.path(typed))) {
        for (const bytes of bytesOf(part)) await target.host.out.write(bytes);
      }
    }
  });
}

/** What `put` and `get` did. */
export interface TransferReport extends CopyReport {
  readonly milliseconds: number;
}

/** `put`: from the machine into the vault. */
export async function put(
  target: VaultTarget,
  sources: readonly string[],
  to: string,
): Promise<TransferReport> {
  const { host } = target;
  for (const source of sources) await host.local.stat(host.absolute(source));
  return await withTree(target, "write", async (open) => {
    const slash = to.endsWith("/") || sources.length > 1 ? "/" : "";
    const ends = [];
    for (const source of sources) {
      const from = host.absolute(source);
      const path = await targetOf(open.tree, from, open.path(to) + slash);
      ends.push({ from: { tree: host.local, path: from }, to: { tree: open.tree, path } });
    }
    const own = await ownMedium(target, open);
    const report = await transfer(host, ends, {
      keepOwners: true,
      leaveOut: own,
      isLocked: open.isLocked,
    });
    await open.tree.sync();
    return report;
  });
}

/** `get`: from the vault to the machine. */
export async function get(
  target: VaultTarget,
  sources: readonly string[],
  to: string,
): Promise<TransferReport> {
  const { host } = target;
  return await withTree(target, "read", async (open) => {
    const slash = to.endsWith("/") || sources.length > 1 ? "/" : "";
    const spared = await ownMedium(target, open);
    const ends = [];
    for (const source of sources) {
      const from = open.path(source);
      const whole = host.absolute(to);
      const local = whole === "/" ? whole : whole + slash;
      // The root has no name: what it holds goes into the target itself.
      const path = open.shown(from) === "/"
        ? whole
        : await targetOf(host.local, open.shown(from), local);
      const isFile = (await open.tree.stat(from)).kind === "file";
      const goal = isFile ? await followed(host, path) : path;
      await requireOutside(host, spared, goal);
      ends.push({ from: { tree: open.tree, path: from }, to: { tree: host.local, path: goal } });
    }
    const keepOwners = host.owner().uid === 0;
    return await transfer(host, ends, { keepOwners, follows: true, spared });
  });
}

const STANDARD_OUTPUT = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/** As with cp, a symlink that somebody named stands for the file that it leads to. */
async function followed({ local, canonical }: Host, path: string): Promise<string> {
  // What the verb says goes there, too.
  if (STANDARD_OUTPUT.includes(path)) throw notThere(path);
  const there = await statOrNull(local, path);
  if (there?.kind !== "symlink" || await local.isStream(path)) return path;
  // What is redirected is open already, and would stay what it was.
  if (/^\/(dev|proc)\//.test(path)) throw notThere(path);
  return await canonical(path);
}

function notThere(path: string): VaultError {
  return new VaultError("invalid", `Cannot copy to "${path}": use "cat", and redirect it`);
}

async function ownMedium({ host }: VaultTarget, open: OpenTree): Promise<string | undefined> {
  return await identityOf(host, await open.medium());
}

interface Ends {
  readonly from: { readonly tree: FileTree; readonly path: string };
  readonly to: { readonly tree: FileTree; readonly path: string };
}

async function transfer(
  host: Host,
  ends: readonly Ends[],
  options: Pick<CopyOptions, "keepOwners" | "leaveOut" | "spared" | "follows" | "isLocked">,
): Promise<TransferReport> {
  const bar = progressOn(host.err, host.runtime);
  const started = host.runtime.now();
  let total = 0;
  if (host.err.isTerminal) {
    for (const { from } of ends) total += await bytesBelow(from.tree, from.path);
  }
  const all = emptyReport();
  const links = new CopiedLinks();
  const stopping = new AbortController();
  // A second signal ends the process: something may hang that nobody can stop.
  const ignore = host.onSignal(() => {
    stopping.abort(new Interrupted("interrupted"));
    ignore();
  });
  try {
    for (const { from, to } of ends) {
      const progress = (done: number, path: string) => bar.show(done, total, path);
      const { signal } = stopping;
      const { runtime } = host;
      const isAlone = ends.length === 1;
      const copying = { ...options, runtime, signal, progress, report: all, links, isAlone };
      await copyTree(from, to, copying);
    }
  } finally {
    ignore();
    await bar.clear();
    await warn(host, all);
  }
  return { ...all, milliseconds: Math.round(host.runtime.now() - started) };
}

async function warn(
  host: Host,
  { skipped, unreadable, attributesLost }: CopyReport,
): Promise<void> {
  for (const { why } of unreadable) await host.err.write(`sigmavault: ${printable(why)}\n`);
  for (const { path, why } of skipped) {
    await host.err.write(`sigmavault: warning: left out "${printable(path)}": ${why}\n`);
  }
  if (attributesLost === 0) return;
  const count = plural(attributesLost, "file");
  await host.err.write(
    `sigmavault: warning: extended attributes of ${count} cannot be kept there\n`,
  );
}

/** What a verb changed. */
export interface ChangeReport {
  readonly paths: readonly string[];
  readonly count: number;
}

/** `mkdir`. */
export async function makeDirectories(
  target: VaultTarget,
  paths: readonly string[],
  options: { readonly parents: boolean },
): Promise<ChangeReport> {
  return await withTree(target, "write", async (open) => {
    let count = 0;
    for (const typed of paths) count += await makeDirectory(open.tree, open.path(typed), options);
    await open.tree.sync();
    return { paths, count };
  });
}

async function makeDirectory(
  files: FileTree,
  path: string,
  { parents }: { readonly parents: boolean },
): Promise<number> {
  if (!parents) {
    await files.makeDirectory(path);
    return 1;
  }
  const there = await statOrNull(files, path);
  if (there?.kind === "directory") return 0;
  const above = await makeDirectory(files, parentOf(path), { parents });
  await files.makeDirectory(path);
  return above + 1;
}

/** `mv`. */
export async function move(target: VaultTarget, from: string, to: string): Promise<ChangeReport> {
  return await withTree(target, "write", async (open) => {
    const source = open.path(from);
    requireNotRoot(open, "move", source);
    await open.tree.stat(source);
    const slash = to.endsWith("/") && open.shown(open.path(to)) !== "/" ? "/" : "";
    const path = await targetOf(open.tree, source, open.path(to) + slash);
    await open.tree.rename(source, path);
    await open.tree.sync();
    return { paths: [open.shown(source), open.shown(path)], count: 1 };
  });
}

/** Before anything is touched: what a root holds would be gone when it turns out that the root stays. */
function requireNotRoot(open: OpenTree, verb: "remove" | "move", path: string): void {
  if (open.shown(path) !== "/") return;
  throw new VaultError("invalid", `Cannot ${verb} "/": it is the root; name what it holds`);
}

/** `rm`. */
export async function remove(
  target: VaultTarget,
  paths: readonly string[],
  options: { readonly recursive: boolean; readonly force: boolean },
): Promise<ChangeReport> {
  return await withTree(target, "write", async (open) => {
    let count = 0;
    for (const typed of paths) {
      const path = open.path(typed);
      requireNotRoot(open, "remove", path);
      const stat = await statOrNull(open.tree, path);
      if (stat === null && options.force) continue;
      if (typed.endsWith("/") && stat !== null && stat.kind !== "directory") {
        throw new VaultError("invalid", `Cannot remove "${typed}": not a directory`);
      }
      if (stat?.kind === "directory" && !options.recursive) {
        throw new VaultError("invalid", `Cannot remove "${typed}": a directory; use --recursive`);
      }
      count += await removeTree(open.tree, path);
    }
    await open.tree.sync();
    return { paths, count };
  });
}
