import { copyOfKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import type { Redundancy } from "../format/redundancy.ts";
import { encodeNodeKey, KEY_TYPE, keyIno, NODE_KEY_BYTES } from "../format/volume_key.ts";
import { CELL_BYTES, SEGMENT_BYTES } from "../limits.ts";
import { writeHeader } from "../volume/header_area.ts";
import { createVolume, type OpenedVolume } from "../volume/open_volume.ts";
import type { Volume } from "../volume/volume.ts";
import { MAIN_VOLUME } from "../volume/volumes.ts";
import type { BrokenMedium } from "./broken_medium.ts";
import type { PlacedLoss } from "./lost_datasets.ts";
import { nameLosses } from "./lost_files.ts";
import type { RecoverOptions, RecoverReport, Turns } from "./recover.ts";
import { findVolumes, type FoundVolume } from "./salvage_catalog.ts";
import { DataCopy } from "./salvage_data.ts";
import { SalvageSource } from "./salvage_source.ts";
import { TreeCopy } from "./salvage_tree.ts";
import { TolerantTree } from "./tolerant_tree.ts";
import { shapeOf } from "./vault_shape.ts";

/** Files that a report names. */
const FILES_MAX = 100_000;

/** Makes a vault of all files that are whole, of the volumes that can be found, without snapshots. */
export async function salvageVault(
  broken: BrokenMedium,
  options: RecoverOptions,
  turns: Turns,
): Promise<RecoverReport> {
  const newest = broken.roots().next().value?.root.record ?? null;
  const source = new SalvageSource(broken);
  for (const _ of source.prepare()) await turns.give("verify", 0, 0);
  const volumes = findVolumes(broken, source, newest);
  if (volumes.length === 0) throw nothingFound(options);
  const salvage = new Salvage(source, options, turns);
  const redundancy = newest?.redundancy;
  await salvage.run(volumes, { blockBytes: volumes[0].blockBytes, redundancy });
  return {
    how: "salvaged",
    sequence: newest?.sequence ?? null,
    time: newest?.time ?? null,
    skipped: 0,
    replayed: 0,
    unfinished: false,
    volumes: volumes.map(({ name }) => name),
    unreadable: 0, // what is lost is told file by file
    lost: salvage.lost,
    files: salvage.files,
    more: salvage.more,
  };
}

function nothingFound({ source: { medium } }: RecoverOptions): VaultError {
  return new VaultError(
    "corrupt",
    `Cannot recover "${medium.name}": nothing on it opens with these keys`,
  );
}

class Salvage {
  readonly files: PlacedLoss[] = [];
  lost = 0;
  more = 0;
  readonly #source: SalvageSource;
  readonly #options: RecoverOptions;
  readonly #turns: Turns;
  #done = 0;

  constructor(source: SalvageSource, options: RecoverOptions, turns: Turns) {
    this.#source = source;
    this.#options = options;
    this.#turns = turns;
  }

  async run(
    volumes: readonly FoundVolume[],
    shape: { readonly blockBytes: number; readonly redundancy?: Redundancy },
  ): Promise<void> {
    const { target, keys, slot, source: { kernel } } = this.#options;
    if (target.medium.capabilities.resize) await target.medium.truncate(0);
    const made = await shapeOf([target.medium], shape);
    const [{ segments }] = made.members;
    if (target.medium.capabilities.resize) await target.medium.truncate(segments * SEGMENT_BYTES);
    await writeHeader(target, keys, { index: 0, order: slot });
    const opened = createVolume({ ...target, keys: copyOfKeys(keys) }, made);
    try {
      const largest = Math.max(...volumes.map(({ blockBytes }) => blockBytes));
      const memory = {
        kernel,
        from: kernel.reserve(largest),
        to: target.kernel.reserve(largest),
      };
      for (const [i, found] of volumes.entries()) {
        const volume = volumeFor(opened, i, found);
        await this.#copy(found, volume, memory);
        opened.volumes.closeVolume(volume);
      }
      kernel.wipe(memory.from, largest);
    } finally {
      opened.wipe();
    }
  }

  async #copy(
    { name, roots, locked }: FoundVolume,
    volume: Volume,
    memory: { readonly kernel: RecoverOptions["source"]["kernel"]; from: number; to: number },
  ): Promise<void> {
    const trees = roots.map((root) => new TolerantTree(root, (id) => this.#source.node(id)));
    const found = trees.find(({ opens }) => opens);
    if (found === undefined) this.#tell([{ path: "/", ino: 1, loss: "names" }], name);
    // One without any node gets a root directory all the same.
    const tree = found ?? new TolerantTree(0, (id) => this.#source.node(id));
    const without = beingFreed(tree);
    const copying = new DataCopy({ source: this.#source, volume, locked, ...memory }).run(
      tree,
      without,
    );
    let step = copying.next();
    for (; step.done !== true; step = copying.next()) await this.#give(step.value);
    this.lost += step.value.blocks;
    const copy = new TreeCopy(tree, volume, step.value, without);
    for (const _ of copy.run()) await this.#give(0);
    const { store } = volume;
    store.nextObjectId = Math.max(store.nextObjectId, copy.nextIno);
    this.#tell(nameLosses(tree, copy.losses), name);
  }

  async #give(cells: number): Promise<void> {
    this.#done += cells;
    const { medium } = this.#options.source;
    await this.#turns.give("copy", this.#done * CELL_BYTES, await medium.size());
  }

  #tell(found: readonly Omit<PlacedLoss, "volume" | "snapshot">[], volume: string): void {
    for (const file of found) {
      if (this.files.length < FILES_MAX) this.files.push({ ...file, volume, snapshot: null });
      else this.more++;
    }
  }
}

function volumeFor(
  { volumes, volume: first }: OpenedVolume,
  index: number,
  { name, compression, blockBytes }: FoundVolume,
): Volume {
  if (index > 0) {
    volumes.createVolume(name, { compression, blockBytes });
    return volumes.openVolume(name);
  }
  if (name !== MAIN_VOLUME) volumes.renameVolume(MAIN_VOLUME, name);
  volumes.setProperties(name, { compression });
  return first;
}

/** Inodes that nobody wants any more. */
function beingFreed(tree: TolerantTree): Set<number> {
  const found = new Set<number>();
  const key = new Uint8Array(NODE_KEY_BYTES);
  const pending: number[] = [];
  tree.scan(new Uint8Array([KEY_TYPE.orphan]), (at) => {
    if (at[0] === KEY_TYPE.orphan) found.add(keyIno(at));
    else if (at[0] === KEY_TYPE.pending) pending.push(keyIno(at));
    return true;
  });
  for (const ino of pending) {
    if (tree.get(encodeNodeKey(key, KEY_TYPE.inode, ino)) === null) found.add(ino);
  }
  return found;
}
