import type { KernelMemory } from "../crypto/kernel.ts";
import { MIB } from "../limits.ts";
import type { VolumeStore } from "../volume/volume_store.ts";
import { Admission } from "./admission.ts";
import { Clock } from "./clock.ts";
import { Directories } from "./directory.ts";
import { DirtyData } from "./dirty_data.ts";
import { FileCopier } from "./file_copy.ts";
import { FileReader } from "./file_read.ts";
import { FileSpace } from "./file_space.ts";
import { FileWriter } from "./file_write.ts";
import { LeftWork } from "./left_work.ts";
import { Names } from "./names.ts";
import { NodeTable } from "./node_table.ts";
import { Privileges } from "./privileges.ts";
import { Removal } from "./removal.ts";
import { Renamer } from "./rename.ts";
import { StoredData } from "./stored_data.ts";
import { XattrRules } from "./xattr_rules.ts";
import { XattrStore } from "./xattr_store.ts";

/** The parts that a filesystem is made of, each over those before it. */
export interface FileSystemParts {
  readonly store: VolumeStore;
  readonly left: LeftWork;
  readonly clock: Clock;
  readonly nodes: NodeTable;
  readonly directories: Directories;
  readonly stored: StoredData;
  readonly dirty: DirtyData;
  readonly reader: FileReader;
  readonly writer: FileWriter;
  readonly copier: FileCopier;
  readonly privileges: Privileges;
  readonly xattrs: XattrRules;
  readonly removal: Removal;
  readonly admission: Admission;
  readonly space: FileSpace;
  readonly names: Names;
  readonly renamer: Renamer;
}

/** Kernel memory of a filesystem. */
export interface MemoryOptions {
  /** For dirty and cached blocks together. Default: 16 MiB. */
  readonly blockMemoryBytes?: number;
  /** Where it comes from. Default: the volume's kernel, for good. */
  readonly memory?: KernelMemory;
}

/** How a filesystem behaves. */
export interface FileSystemOptions extends MemoryOptions {
  /** Never update access times by itself. Default: relatime. */
  readonly noatime?: boolean;
  /** A view of a volume that another filesystem serves: what a crash left, and what is open, is not its business. */
  readonly isView?: boolean;
  /** Owner and mode of the root directory, used when it is made. Default: 0, 0, 0o755. */
  readonly root?: { readonly uid: number; readonly gid: number; readonly mode: number };
}

const BLOCK_MEMORY_BYTES = 16 * MIB;

/** Makes the parts. */
export function makeParts(store: VolumeStore, options: MemoryOptions): FileSystemParts {
  const { memory = store.kernel, blockMemoryBytes = BLOCK_MEMORY_BYTES } = options;
  const left = new LeftWork();
  const clock = new Clock(store.runtime);
  const nodes = new NodeTable(store);
  const directories = new Directories(store);
  const stored = new StoredData(store, memory, blockMemoryBytes);
  const dirty = new DirtyData(stored, nodes);
  const reader = new FileReader(stored);
  const writer = new FileWriter(stored, dirty, nodes);
  const copier = new FileCopier(memory, reader);
  const xattrStore = new XattrStore(store);
  const privileges = new Privileges(xattrStore);
  const xattrs = new XattrRules(xattrStore, privileges);
  const removal = new Removal(store, { nodes, stored, dirty, xattrs: xattrStore, left });
  const admission = new Admission(store, removal);
  const space = new FileSpace({ stored, dirty, writer, nodes, removal });
  const nameParts = { store, clock, nodes, directories, privileges, removal };
  const names = new Names(nameParts);
  // As ext4 does: what takes over a name has its data on the medium no later than the name.
  const renamer = new Renamer(nameParts, names, (node) => dirty.flush(node));
  return {
    store,
    left,
    clock,
    nodes,
    directories,
    stored,
    dirty,
    reader,
    writer,
    copier,
    privileges,
    xattrs,
    removal,
    admission,
    space,
    names,
    renamer,
  };
}
