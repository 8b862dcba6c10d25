import type { MediumInspector } from "../block/medium_inspector.ts";
import type { Page } from "../btree/page.ts";
import { getU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { checkConsistency } from "../fs/consistency.ts";
import { isDirectory, isRegular } from "../fs/mode.ts";
import { decodeInode, emptyInode } from "../format/inode.ts";
import type { MapEntry } from "../format/map_entry.ts";
import { KEY_TYPE } from "../format/volume_key.ts";
import type { Volume } from "../volume/volume.ts";
import type { VolumeStore } from "../volume/volume_store.ts";
import type { Problems } from "./check_report.ts";
import type { IdRuns } from "./id_runs.ts";

/** What the check of a volume's tree is given. */
export interface TreeCheckParts {
  readonly volume: Volume;
  readonly inspector: MediumInspector;
  readonly problems: Problems;
  /** The map's entries of tree nodes, by id. Those that the tree reaches are taken out. */
  readonly nodes: Map<number, MapEntry>;
  /** Filled with the data blocks that files have. */
  readonly reached: IdRuns;
}

/** What the check of a volume's tree counted. */
export interface TreeCounts {
  files: number;
  directories: number;
  /** Nodes that could not be read: what they hold is not counted anywhere. */
  lostNodes: number;
}

/** Reads every node of a volume's tree from the medium and compares its records. */
export function checkTree(rootId: number, parts: TreeCheckParts): TreeCounts {
  const counts = { files: 0, directories: 0, lostNodes: 0 };
  const inode = emptyInode();
  const scan = (_from: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean) => {
    for (const page of leaves(rootId, parts, counts)) {
      for (let i = 0; i < page.count; i++) {
        const key = page.key(i);
        if (key[0] === KEY_TYPE.inode) countInode(page.value(i), inode, counts);
        visit(key, page.value(i));
      }
    }
  };
  const { problems } = checkConsistency(
    onMedium(parts.volume, scan),
    (firstId, count) => parts.reached.add(firstId, count),
  );
  // Records whose partners lie in a lost node would all be called wrong.
  if (counts.lostNodes === 0) { for (const what of problems) parts.problems.add("record", what); }
  return counts;
}

/** The volume with its tree replaced by one that is scanned on the medium. */
function onMedium(volume: Volume, scan: VolumeStore["tree"]["scan"]): VolumeStore {
  const tree = Object.create(volume.tree, { scan: { value: scan } });
  return Object.create(volume, { tree: { value: tree } });
}

function countInode(
  value: Uint8Array,
  inode: ReturnType<typeof emptyInode>,
  counts: TreeCounts,
): void {
  try {
    decodeInode(value, inode);
  } catch (error) {
    if (error instanceof VaultError) return; // the consistency check reports it
    throw error;
  }
  if (isDirectory(inode.mode)) counts.directories++;
  else if (isRegular(inode.mode)) counts.files++;
}

function* leaves(id: number, parts: TreeCheckParts, counts: TreeCounts): Generator<Page> {
  const page = readNode(id, parts, counts);
  if (page === null) return;
  if (page.level === 0) return yield page;
  for (let i = 0; i < page.count; i++) {
    yield* leaves(getU64(viewOf(page.value(i)), 0), parts, counts);
  }
}

function readNode(id: number, parts: TreeCheckParts, counts: TreeCounts): Page | null {
  const { nodes, inspector, problems } = parts;
  const entry = nodes.get(id);
  nodes.delete(id);
  if (entry === undefined) {
    counts.lostNodes++;
    problems.add("missing", `tree node ${id} is not in the block map, or is referred to twice`);
    return null;
  }
  try {
    return inspector.volumeNode({ id, entry });
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    counts.lostNodes++;
    problems.add("damaged", `tree node ${id} does not open: files and directories may be lost`);
    return null;
  }
}
