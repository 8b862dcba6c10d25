import { type NamedRoot, RootStore } from "../block/root_store.ts";
import { superblockOffsets } from "../crypto/ring_cells.ts";
import { subkey } from "../crypto/hkdf.ts";
import { copyOfKeys, type VaultKeys } from "../crypto/vault_keys.ts";
import { isHole, wipe } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { HEADER_COPIES } from "../format/header.ts";
import { cellsFor, placeCells } from "../format/map_entry.ts";
import { NODE_SEAL_BYTES } from "../format/node.ts";
import { pointerBytes, writePointer } from "../format/pointer.ts";
import type { RootRecord } from "../format/root_record.ts";
import { KIND } from "../format/seal_aad.ts";
import { runCell, runCount } from "../format/space_record.ts";
import { CELL_BYTES, KEY_BYTES, MIB, NONCE_BYTES, SEGMENT_BYTES, TAG_BYTES } from "../limits.ts";
import { JoinedMedia } from "../storage/joined_media.ts";
import type { StorageBackend } from "../storage/storage_backend.ts";
import { requireDirect } from "../volume/member_set.ts";
import { type SlotOrder, writeHeader } from "../volume/header_area.ts";
import { openVolume } from "../volume/open_volume.ts";
import { checkRoot, type RootLosses } from "../volume/root_check.ts";
import type { BrokenMedium, FoundRootCopies } from "./broken_medium.ts";
import type { VaultParts } from "./vault.ts";

/** Bytes copied at a time. */
const COPY_BYTES = MIB;

/** A root of which everything opens. */
export interface WholeRoot extends FoundRootCopies {
  /** Cells of copies of its record that do not open. */
  readonly lostCopies: readonly number[];
}

/** The newest root of which nothing is lost, and how many newer ones there are that have holes; yields cells read. */
export function* findWholeRoot(
  broken: BrokenMedium,
): Generator<number, { whole: WholeRoot | null; skipped: number }> {
  let skipped = 0;
  for (const found of broken.roots()) {
    const { root: { record, rootBytes }, copies } = found;
    if (isOurs(record, broken)) {
      const late = new Map(record.takenLate.map((run) => [runCell(run), runCount(run)]));
      const lost: RootLosses = { nodes: 0, blocks: 0 };
      for (const cells of checkRoot(record, broken.inspector, lost, (cell) => late.delete(cell))) {
        yield cells;
        if (lost.nodes + lost.blocks > 0) break;
      }
      if (lost.nodes + lost.blocks === 0) {
        for (const cell of record.logChunk.firsts) late.delete(cell);
        for (const { place } of copies) late.delete(place.cell);
        const cells = cellsFor(rootBytes + NODE_SEAL_BYTES);
        const lostCopies = [...late].filter(([, count]) => count === cells).map(([cell]) => cell);
        return { whole: { ...found, lostCopies }, skipped };
      }
    }
    skipped++;
  }
  return { whole: null, skipped };
}

/** A root of one medium, this one. */
function isOurs({ members }: RootRecord, broken: BrokenMedium): boolean {
  return members.length === 1 && members[0].number === 0 &&
    members[0].segments * SEGMENT_BYTES <= broken.direct.size();
}

/** What a copied vault took over from its intent log. */
export interface CopiedRoot {
  readonly replayed: number;
  /** What the log held last was left out: blocks that it names are lost, or were never written. */
  readonly unfinished: boolean;
  /** Names of its volumes. */
  readonly volumes: readonly string[];
  /** Files of shreddable directories whose secrets were lost with the superblocks. */
  readonly unreadable: number;
}

/**
 * Makes the vault of a root on another medium: all cells as they are, a header with one key slot, and a superblock that
 * names the root; yields bytes copied. What the intent log of the root holds is taken over, where all of that is whole.
 */
export async function* copyRoot(
  broken: BrokenMedium,
  whole: WholeRoot,
  to: { readonly target: VaultParts; readonly keys: VaultKeys; readonly slot: SlotOrder },
): AsyncGenerator<number, CopiedRoot> {
  const { target, keys, slot } = to;
  const { medium } = target;
  const [{ segments }] = whole.root.record.members;
  await makeRoom(medium, segments * SEGMENT_BYTES);
  yield* copyCells(broken, medium, segments * SEGMENT_BYTES);
  await writeHeader(target, keys, { index: 0, order: slot });
  await nameRoot(broken, whole, to);
  const copied = reopen(to);
  if (copied !== null) return copied;
  await blankLog(target, whole.root.record);
  const again = reopen(to);
  if (again === null) throw new VaultError("corrupt", "Cannot recover: the copy does not open");
  return { ...again, unfinished: true };
}

async function makeRoom(medium: StorageBackend, bytes: number): Promise<void> {
  const size = await medium.size();
  if (medium.capabilities.resize) {
    await medium.truncate(0);
    return await medium.truncate(bytes);
  }
  if (size >= bytes) return;
  throw new VaultError(
    "invalid",
    `Cannot recover to "${medium.name}": it has ${size} bytes, the vault takes ${bytes}`,
  );
}

/** Holes stay holes where the target is made anew. */
async function* copyCells(
  { direct }: BrokenMedium,
  medium: StorageBackend,
  bytes: number,
): AsyncGenerator<number, void> {
  const chunk = new Uint8Array(COPY_BYTES);
  for (let at = 0; at < bytes; at += COPY_BYTES) {
    try {
      direct.read(at, chunk);
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      readCells(direct, at, chunk); // a bad sector: nothing that the root needs lies there
    }
    const isEmpty = medium.capabilities.resize && isHole(chunk);
    if (!isEmpty) await medium.write(at, chunk);
    yield at + COPY_BYTES;
  }
}

function readCells(direct: BrokenMedium["direct"], from: number, into: Uint8Array): void {
  for (let at = 0; at < into.length; at += CELL_BYTES) {
    const cell = into.subarray(at, at + CELL_BYTES);
    try {
      direct.read(from + at, cell);
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      cell.fill(0);
    }
  }
}

/** No other superblock may open: a newer root has holes. */
async function nameRoot(
  broken: BrokenMedium,
  whole: WholeRoot,
  { target, keys }: { readonly target: VaultParts; readonly keys: VaultKeys },
): Promise<void> {
  const { medium, runtime } = target;
  const ringKey = subkey(keys.layoutKey, "ring");
  for (const offset of HEADER_COPIES.flatMap((copy) => superblockOffsets(ringKey, copy))) {
    const noise = new Uint8Array(CELL_BYTES);
    runtime.random(noise);
    await medium.write(offset, noise);
  }
  wipe(ringKey);
  const media = new JoinedMedia();
  media.join(0, requireDirect(medium));
  const roots = new RootStore(broken.context, media, keys.layoutKey);
  const secretsKey = secretsKeyOf(broken, roots, whole);
  const named = superblockOf(whole, (bytes) => runtime.random(bytes));
  roots.writeSuperblock({ ...named, secretsKey }, [0]);
  wipe(secretsKey);
  await medium.sync();
}

/** What opens the secrets of files, where a superblock of the root is left; else they are lost. */
function secretsKeyOf(broken: BrokenMedium, roots: RootStore, { root }: WholeRoot): Uint8Array {
  const ring = roots.readRing(broken.direct, [root.epoch]);
  const { sequence } = root.record;
  const named = ring?.superblocks.find((superblock) => superblock.sequence === sequence);
  return named?.secretsKey ?? new Uint8Array(KEY_BYTES);
}

/** Copies that are lost are named too, so that their cells come free with the next root. */
function superblockOf(
  { root, copies, lostCopies }: WholeRoot,
  random: (bytes: Uint8Array<ArrayBuffer>) => void,
): Omit<NamedRoot, "secretsKey"> {
  const noise = (length: number) => {
    const bytes = new Uint8Array(length);
    random(bytes);
    return bytes;
  };
  const places = [
    ...copies.map(({ place }) => place),
    ...lostCopies.map((cell) => ({ cell, nonce: noise(NONCE_BYTES), tag: noise(TAG_BYTES) })),
  ].slice(0, root.record.redundancy.m + 1);
  const pointer = new Uint8Array(pointerBytes(places.length));
  writePointer(pointer, 0, { cells: 0, epoch: root.epoch, copies: places });
  const { sequence, memberEpoch } = root.record;
  return { sequence, root: pointer, rootBytes: root.rootBytes, memberEpoch };
}

/** Opens the copy for reading, with what its log gives; null where blocks that the log names are lost. */
function reopen(
  { target, keys }: { readonly target: VaultParts; readonly keys: VaultKeys },
): CopiedRoot | null {
  const opened = openVolume({ ...target, keys: copyOfKeys(keys) }, "read");
  try {
    const { replayed, unfinished, volume: { store } } = opened;
    const { keyTable } = store.catalog;
    const volumes = store.catalog.volumes().map(({ name }) => name);
    const unreadable = isHole(keyTable.secretsKey) ? keyTable.secretIds().length : 0;
    const copied = { replayed, unfinished, volumes, unreadable };
    let isWhole = true;
    if (replayed === 0) return copied;
    for (let from = 0; isWhole;) {
      const blocks = store.blocks.entriesFrom(from, 64);
      const data = blocks.filter(({ entry }) => entry.kind === KIND.data);
      const bad = store.badPlaces(data.filter(({ entry }) => placeCells(entry) > 0));
      isWhole = data.every(({ id, entry }) => (bad.get(id) ?? 0) <= entry.m);
      if (blocks.length < 64) break;
      from = blocks[blocks.length - 1].id + 1;
    }
    return isWhole ? copied : null;
  } finally {
    opened.wipe();
  }
}

/** The log of a root that newer ones followed: what it names may have been overwritten since. */
async function blankLog({ medium, runtime }: VaultParts, { logChunk }: RootRecord): Promise<void> {
  for (const first of logChunk.firsts) {
    const noise = new Uint8Array(logChunk.cells * CELL_BYTES);
    runtime.random(noise);
    await medium.write(first * CELL_BYTES, noise);
  }
  await medium.sync();
}
