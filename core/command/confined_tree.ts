import { VaultError } from "../errors.ts";
import { statOrNull } from "./copy_tree.ts";
import { type FileDetails, type FileTree, joinPath, parentOf } from "./file_tree.ts";

/**
 * The part of a tree below a directory. A symlink that leads out of it is not followed: on a mount it would lead to files of this
 * machine, which are not the vault's.
 */
export function confinedTree(
  tree: FileTree,
  root: string,
  canonical: (path: string) => Promise<string>,
): FileTree {
  const bounds = new Bounds(tree, root, canonical);
  const follows = <T>(path: string, act: () => Promise<T>) => bounds.target(path).then(act);
  const within = <T>(path: string, act: () => Promise<T>) => bounds.place(path).then(act);
  return {
    namesAreUnique: tree.namesAreUnique,
    partOf: tree,
    details: tree.details === null ? null : confinedDetails(tree.details, within),
    stat: (path) => within(path, () => tree.stat(path)),
    isStream: (path) => follows(path, () => tree.isStream(path)),
    list: (path) => follows(path, () => tree.list(path)),
    async *read(path) {
      await bounds.target(path);
      yield* tree.read(path);
    },
    write: (path, parts, access) => follows(path, () => tree.write(path, parts, access)),
    makeDirectory: (path, access) => within(path, () => tree.makeDirectory(path, access)),
    symlink: (target, path) => within(path, () => tree.symlink(target, path)),
    readLink: (path) => within(path, () => tree.readLink(path)),
    link: (existing, path) => within(existing, () => within(path, () => tree.link(existing, path))),
    rename: (from, to) => within(from, () => within(to, () => tree.rename(from, to))),
    remove: (path) => within(path, () => tree.remove(path)),
    setAttributes: (path, attributes, kind) =>
      within(path, () => tree.setAttributes(path, attributes, kind)),
    sync: () => tree.sync(),
  };
}

type Within = <T>(path: string, act: () => Promise<T>) => Promise<T>;

function confinedDetails(details: FileDetails, within: Within): FileDetails {
  return {
    makeFifo: (path) => within(path, () => details.makeFifo(path)),
    attributes: (path) => within(path, () => details.attributes(path)),
    setAttribute: (path, attribute) => within(path, () => details.setAttribute(path, attribute)),
  };
}

/** Links on the way of one path; more are a loop. */
const LINKS_MAX = 40;

/** Knows where paths really lead. */
class Bounds {
  readonly #tree: FileTree;
  readonly #root: string;
  readonly #canonical: (path: string) => Promise<string>;
  #real: string | null = null;
  /** The directory that was looked at last: a walk goes through one after the other. */
  #known = "";

  constructor(tree: FileTree, root: string, canonical: (path: string) => Promise<string>) {
    this.#tree = tree;
    this.#root = root;
    this.#canonical = canonical;
  }

  /** Throws where the directory that a name stands in lies elsewhere. */
  async place(path: string): Promise<void> {
    const parent = parentOf(path);
    if (path === this.#root || parent === this.#known) return;
    await this.#resolve(parent);
    this.#known = parent;
  }

  /** Throws where what a path leads to lies elsewhere. */
  async target(path: string): Promise<void> {
    await this.place(path);
    const stat = await statOrNull(this.#tree, path);
    if (stat?.kind === "symlink") await this.#resolve(path);
  }

  /** Goes a path name by name. What is not there leads nowhere. */
  async #resolve(path: string): Promise<void> {
    const real = this.#real ??= await this.#canonical(this.#root);
    let names = namesOf(path.slice(this.#root.length));
    let at = real;
    for (let links = 0; names.length > 0;) {
      const [name, ...rest] = names;
      names = rest;
      if (name === "..") {
        if (at === real) throw this.#leads(path);
        at = parentOf(at);
        continue;
      }
      const next = joinPath(at, name);
      const stat = await statOrNull(this.#tree, next);
      if (stat === null) return;
      if (stat.kind !== "symlink") {
        at = next;
        continue;
      }
      const target = await this.#tree.readLink(next);
      const isAbsolute = target.startsWith("/");
      const leaves = isAbsolute && !isWithin(target, real);
      if (leaves || ++links > LINKS_MAX) throw this.#leads(path);
      if (isAbsolute) at = real;
      names = [...namesOf(isAbsolute ? target.slice(real.length) : target), ...rest];
    }
  }

  #leads(path: string): VaultError {
    const shown = path.slice(this.#root.length);
    return new VaultError(
      "denied",
      `Cannot follow "${shown}": a symlink leads out of the mount; name what it leads to`,
    );
  }
}

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function isWithin(path: string, root: string): boolean {
  return path === root || path.startsWith(`${root}/`);
}
