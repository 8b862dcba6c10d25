import { VaultError, type VaultErrorKind } from "../errors.ts";
import { CopiedLinks } from "./copied_links.ts";
import { type FilePart, lengthOf } from "./file_parts.ts";
import { type FileTree, joinPath, kindText, nameOf, type NodeStat, parentOf } from "./file_tree.ts";
import { isPlain } from "./path_text.ts";
import { Replacement } from "./replacement.ts";
import type { Runtime } from "../runtime.ts";
import { unlessMissing } from "../storage/store_failures.ts";
import { plural } from "./sizes.ts";
import { EnteredDirectories } from "./tree_walks.ts";
import { partsOf, reading, Unreadable } from "./unreadable.ts";

/** The setuid and setgid bits. */
const SET_ID = 0o6000;

/** What was copied. */
export interface CopyReport {
  files: number;
  directories: number;
  symlinks: number;
  fifos: number;
  bytes: number;
  /** Sockets, devices, the vault's own medium, and what the target cannot have. */
  readonly skipped: { readonly path: string; readonly why: string }[];
  /** What could not be read: the rest is there. */
  readonly unreadable: {
    readonly path: string;
    readonly why: string;
    readonly kind: VaultErrorKind;
  }[];
  /** Files and directories whose extended attributes the target does not take. */
  attributesLost: number;
}

/** A report of nothing. */
export function emptyReport(): CopyReport {
  return {
    files: 0,
    directories: 0,
    symlinks: 0,
    fifos: 0,
    bytes: 0,
    skipped: [],
    unreadable: [],
    attributesLost: 0,
  };
}

/** One end of a copy. */
export interface CopyEnd {
  readonly tree: FileTree;
  readonly path: string;
}

/** How to copy. */
export interface CopyOptions {
  /** Owners are kept too. */
  readonly keepOwners: boolean;
  readonly runtime: Pick<Runtime, "random">;
  /** A target that is a symlink stands for what it leads to. */
  readonly follows?: boolean;
  /** Where the target has locked files: they are not replaced. */
  isLocked?(path: string, stat: NodeStat): Promise<boolean>;
  /** Aborted with what is thrown then: what was copied before stays, and nothing is half there. */
  readonly signal?: AbortSignal;
  /** Identity of a file that is left out: the medium, which grows by what is copied from it into it. */
  readonly leaveOut?: string;
  /** Identity of a file that nothing is copied over: the medium, which is copied from. */
  readonly spared?: string;
  /** False: other things are copied beside it, and what cannot be read of it is told in the report. */
  readonly isAlone?: boolean;
  /** What was copied before, to be added to, and where each thing with several names is. */
  readonly report?: CopyReport;
  readonly links?: CopiedLinks;
  /** Told the bytes copied so far, and the file being copied. */
  progress?(doneBytes: number, path: string): void;
}

/**
 * Copies a file or a whole tree from one place to another, as `cp -a` would: modes, times, symlinks, hard links, fifos,
 * holes and the owner's extended attributes are kept. What exists in a target directory and is not in the source stays.
 */
export async function copyTree(
  from: CopyEnd,
  to: CopyEnd,
  options: CopyOptions,
): Promise<CopyReport> {
  const isOne = (from.tree.partOf ?? from.tree) === (to.tree.partOf ?? to.tree);
  if (isOne && `${to.path}/`.startsWith(`${from.path}/`)) {
    throw new VaultError("invalid", `Cannot copy "${from.path}" into itself: choose another place`);
  }
  const copy = new Copy(from.tree, to.tree, options);
  try {
    await copy.node(from.path, to.path, true);
  } catch (error) {
    throw afterSome(error, copy.report.files);
  }
  return copy.report;
}

/** Whoever reads it shall know what is there already. */
function afterSome(error: unknown, files: number): unknown {
  if (!(error instanceof VaultError) || files === 0) return error;
  const { kind, errno, message } = error;
  const text = `${message}; ${plural(files, "file")} before it ${files === 1 ? "is" : "are"} whole`;
  return new VaultError(kind, text, { errno, cause: error });
}

/** Where something is copied to, and what has that name now. */
interface Goal {
  readonly path: string;
  readonly there: NodeStat | null;
}

class Copy {
  readonly report: CopyReport;
  readonly #from: FileTree;
  readonly #to: FileTree;
  readonly #options: CopyOptions;
  readonly #links: CopiedLinks;
  readonly #entered = new EnteredDirectories();
  readonly #replacement: Replacement;

  constructor(from: FileTree, to: FileTree, options: CopyOptions) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
    this.report = options.report ?? emptyReport();
    this.#links = options.links ?? new CopiedLinks();
    this.#replacement = new Replacement(to, options.runtime);
  }

  async node(from: string, to: string, isTop = false): Promise<void> {
    this.#options.signal?.throwIfAborted();
    if (this.#to.details === null && !isPlain(to)) {
      return void this.#skip(from, "its name is not UTF-8");
    }
    try {
      await this.#node(from, to, isTop);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      if (isTop && this.#options.isAlone !== false) throw error.cause;
      const { kind, message } = error.cause;
      this.report.unreadable.push({ path: from, why: message, kind });
    }
  }

  async #node(from: string, to: string, isTop: boolean): Promise<void> {
    const look = () => isTop ? this.#from.stat(from) : statOrNull(this.#from, from);
    const stat = await reading(look);
    if (stat === null) return void this.#skip(from, "it is gone, or its name cannot be read here");
    const there = await statOrNull(this.#to, to);
    if (there !== null && there.identity !== "" && there.identity === this.#options.spared) {
      throw new VaultError("invalid", `Cannot copy to "${to}": it is the vault itself`);
    }
    if (stat.kind === "directory") return await this.#directory(from, { path: to, there }, stat);
    if (stat.identity !== "" && stat.identity === this.#options.leaveOut) {
      return void this.#skip(from, "the vault itself");
    }
    this.#links.replacing(to);
    const first = this.#links.find(stat);
    if (first !== undefined) await this.#again(first, { path: to, there }, stat);
    else if (stat.kind === "file" && await this.#isStream({ path: to, there }, isTop)) {
      return await this.#pour(from, to);
    } else if (!await this.#single(from, { path: to, there }, stat)) return;
    this.#links.note(stat, to);
  }

  /** Only where somebody named the target, it may be a symlink to a pipe, such as /dev/stdout. */
  async #isStream({ path, there }: Goal, isTop: boolean): Promise<boolean> {
    if (there === null || there.kind === "file") return false;
    const follows = isTop && this.#options.follows === true;
    return (there.kind !== "symlink" || follows) && await this.#to.isStream(path);
  }

  /** Into a pipe or a device, which stays what it is. */
  async #pour(from: string, to: string): Promise<void> {
    const { signal } = this.#options;
    const stopped = Promise.withResolvers<never>();
    const stop = () => stopped.reject(signal?.reason);
    signal?.addEventListener("abort", stop);
    try {
      // Whoever reads it may have stopped reading.
      await Promise.race([this.#to.write(to, this.#counted(from)), stopped.promise]);
    } finally {
      signal?.removeEventListener("abort", stop);
    }
    this.report.files++;
  }

  /** One more name of what was copied. */
  async #again(first: string, to: Goal, { kind }: NodeStat): Promise<void> {
    const { there } = to;
    await this.#requireUnlocked(to);
    const { identity } = await this.#to.stat(first);
    // Moving one name of a thing over another does nothing at all.
    if (there === null || identity === "" || there.identity !== identity) {
      await this.#replacement.put(to.path, there, (beside) => this.#to.link(first, beside));
    }
    if (kind === "file") this.report.files++;
    else if (kind === "symlink") this.report.symlinks++;
    else this.report.fifos++;
  }

  /** What is no directory; false where it is not copied. */
  async #single(from: string, to: Goal, stat: NodeStat): Promise<boolean> {
    const { kind } = stat;
    const { details } = this.#to;
    const put = async (make: (beside: string) => Promise<void>) => {
      await this.#requireUnlocked(to);
      await this.#replacement.put(to.path, to.there, async (beside) => {
        await make(beside);
        await this.#attributes(beside, stat);
      });
    };
    if (kind === "file") {
      await put((beside) => this.#file(from, beside));
      this.report.files++;
    } else if (kind === "symlink") {
      const target = await this.#targetOf(from);
      if (target === null || (details === null && !isPlain(target))) {
        return this.#skip(from, "its target is not UTF-8");
      }
      try {
        await put((beside) => this.#to.symlink(target, beside));
      } catch (error) {
        if (isNotPermitted(error)) return this.#skip(from, "a symlink, which needs --allow-ffi");
        throw error;
      }
      this.report.symlinks++;
    } else if (kind === "fifo" && details !== null) {
      await put((beside) => details.makeFifo(beside));
      this.report.fifos++;
    } else return this.#skip(from, kindText(kind));
    return true;
  }

  /** Whoever locked a file wants its name to stand for it. */
  async #requireUnlocked({ path, there }: Goal): Promise<void> {
    if (there?.kind !== "file" || await this.#options.isLocked?.(path, there) !== true) return;
    throw new VaultError("denied", `Cannot copy to "${path}": it is locked; unlock it first`);
  }

  /** Null where it has bytes that this program cannot be told. */
  async #targetOf(path: string): Promise<string | null> {
    try {
      return await reading(() => this.#from.readLink(path));
    } catch (error) {
      if (error instanceof VaultError && error.errno === "EILSEQ") return null;
      throw error;
    }
  }

  #skip(path: string, why: string): false {
    this.report.skipped.push({ path, why });
    return false;
  }

  async #directory(from: string, { path: to, there }: Goal, stat: NodeStat): Promise<void> {
    this.#entered.enter(this.#from, from, stat);
    if (there === null) await this.#to.makeDirectory(to, "own");
    else if (there.kind !== "directory") {
      throw new VaultError("conflict", `Cannot copy to "${to}": it exists and is no directory`);
    }
    this.report.directories++;
    const names = await reading(() => this.#from.list(from));
    for (const name of names.sort()) await this.node(joinPath(from, name), joinPath(to, name));
    await this.#extended(from, to);
    // Last: copying into it changes its times, and its mode may forbid that.
    await this.#attributes(to, stat);
  }

  async #file(from: string, to: string): Promise<void> {
    await this.#to.write(to, this.#counted(from), "own");
    await this.#extended(from, to);
  }

  async #extended(from: string, to: string): Promise<void> {
    const attributes = await reading(async () => await this.#from.details?.attributes(from)) ?? [];
    let lost = false;
    for (const attribute of attributes) {
      if (await this.#to.details?.setAttribute(to, attribute) !== true) lost = true;
    }
    if (lost) this.report.attributesLost++;
  }

  async *#counted(path: string): AsyncGenerator<FilePart> {
    for await (const part of partsOf(this.#from, path)) {
      this.#options.signal?.throwIfAborted();
      yield part;
      this.report.bytes += lengthOf(part);
      this.#options.progress?.(this.report.bytes, path);
      // Both ends may answer at once: the terminal needs a turn, too.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #attributes(path: string, stat: NodeStat): Promise<void> {
    const { uid, gid, accessed, modified, kind } = stat;
    const { keepOwners } = this.#options;
    const owner = keepOwners ? { uid, gid } : undefined;
    // Whoever copies may not give away what only the owner before could: as cp does.
    const mode = keepOwners || kind === "directory" ? stat.mode : stat.mode & ~SET_ID;
    await this.#to.setAttributes(path, { mode, owner, times: { accessed, modified } }, kind);
  }
}

/** It was the runtime that said no: it has no flag for symlinks but all of reading and writing. */
function isNotPermitted(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at.name === "NotCapable") return true;
  }
  return false;
}

/** What is there, or null. */
export function statOrNull(tree: FileTree, path: string): Promise<NodeStat | null> {
  return unlessMissing(() => tree.stat(path));
}

/**
 * Where a copy goes, as with cp: into `to` where that is a directory or is written with a slash at its end, else to that
 * name.
 */
export async function targetOf(tree: FileTree, from: string, to: string): Promise<string> {
  const path = to.length > 1 && to.endsWith("/") ? to.slice(0, -1) : to;
  const into = to.endsWith("/") || await isDirectory(tree, path);
  const target = into && nameOf(from) !== "" ? joinPath(path, nameOf(from)) : path;
  const parent = parentOf(target);
  if (target === "/" || await isDirectory(tree, parent)) return target;
  throw new VaultError("missing", `Cannot copy to "${target}": there is no directory "${parent}"`);
}

async function isDirectory(tree: FileTree, path: string): Promise<boolean> {
  const stat = await statOrNull(tree, path);
  if (stat?.kind === "symlink") return await tree.list(path).then(() => true, () => false);
  return stat?.kind === "directory";
}
