import type { Lane } from "../block/lane.ts";
import type { Kernel } from "../crypto/kernel.ts";
import type { Platform } from "../crypto/platform.ts";
import type { VaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import { openFileSystem, type PosixFileSystem } from "../fs/posix_file_system.ts";
import type { Runtime } from "../runtime.ts";
import { ScratchMedium } from "../storage/scratch_medium.ts";
import type { StorageBackend } from "../storage/storage_backend.ts";
import { type InTurn, turns } from "../turn.ts";
import { ownParts } from "../volume/hidden_place.ts";
import { createHeaders, openHeaders } from "../volume/member_headers.ts";
import type { OpenHeaderContext } from "../volume/header_slots.ts";
import { DeviceMemory } from "../volume/device_memory.ts";
import { createVolume, type OpenedVolume, openVolume } from "../volume/open_volume.ts";
import { requireAll, requireDirect } from "../volume/member_set.ts";
import { VaultFiles } from "./files.ts";
import { type Enter, type TransactionOptions, Transactions } from "./transactions.ts";
import { FileLocks } from "./file_locks.ts";
import { FileTransfer } from "./file_transfer.ts";
import { type NoiseScratch, noiseScratch } from "./noise.ts";
import { OpenViews } from "./open_views.ts";
import { asPathError, belowPath } from "./path_failure.ts";
import type { CreateVaultOptions, OpenVaultOptions } from "./vault_options.ts";
import { makeRoom, shapeOf } from "./vault_shape.ts";
import { VaultSnapshots } from "./vault_snapshots.ts";
import { VaultStreams } from "./vault_streams.ts";
import { VaultVolumes } from "./vault_volumes.ts";

/** What deleted volumes and snapshots held is freed in so many steps when a vault is closed; the rest stays for later. */
const FREEING_STEPS = 16;

/** What every vault needs from outside core. */
export interface VaultParts {
  /** Where everything lies, sealed. */
  readonly medium: StorageBackend;
  /** Further media of the vault; at opening in any order. Closing the vault closes them. */
  readonly members?: readonly StorageBackend[];
  /** Does the bulk work on bytes. */
  readonly kernel: Kernel;
  /** Clock and randomness. */
  readonly runtime: Runtime;
  /** Where this device keeps secrets. */
  readonly platform?: Platform;
  /** Where sealing and I/O run; inline on this thread by default. */
  readonly lane?: Lane;
}

/** An open vault: its medium, keys, volume and filesystem. Close it, or `await using`. */
export class Vault implements AsyncDisposable {
  /**
   * The filesystem, for drivers.
   *
   * @internal
   */
  readonly fileSystem: PosixFileSystem;
  /**
   * The engine below the filesystem.
   *
   * @internal
   */
  readonly opened: OpenedVolume;
  /**
   * For operations on key slots.
   *
   * @internal
   */
  readonly header: OpenHeaderContext;
  /**
   * Who owns what is made.
   *
   * @internal
   */
  readonly owner: OpenVaultOptions["owner"];
  /** Its volumes. `files` shows the first one. */
  readonly volumes: VaultVolumes;
  /** Snapshots of its volumes. */
  readonly snapshots: VaultSnapshots;
  /** Snapshots as streams. */
  readonly streams: VaultStreams;
  private readonly makeFiles: (enter: Enter) => VaultFiles;
  /**
   * What is open beside its first volume.
   *
   * @internal
   */
  readonly views: OpenViews;
  /**
   * One at a time; and those that hold the vault, or replace its state.
   *
   * @internal
   */
  readonly transactions: Transactions;
  /** Of changes of its members and of its size. */
  private readonly reshaping: InTurn = turns();
  /**
   * Locked files.
   *
   * @internal
   */
  readonly locks: FileLocks = new FileLocks(this);
  private madeFiles: VaultFiles | null = null;
  private madeScratch: NoiseScratch | null = null;
  private closed = false;
  private closing: Promise<void> | null = null;

  /**
   * Use `createVault` or `openVault`.
   *
   * @internal
   */
  constructor(
    parts: VaultParts,
    opened: OpenedVolume,
    keys: VaultKeys,
    options:
      & Pick<OpenVaultOptions, "blockMemoryBytes" | "viewMemoryBytes" | "noatime" | "owner">
      & Pick<CreateVaultOptions, "root">,
  ) {
    const { kernel, runtime, platform } = parts;
    this.opened = opened;
    const { engine } = opened.volume;
    const first = () => this.medium;
    this.header = {
      get medium() {
        return first();
      },
      others: () => engine.media.all.slice(1),
      complete: () => requireAll(engine),
      kernel,
      runtime,
      platform,
      keys,
    };
    const { blockMemoryBytes, noatime, root } = options;
    this.fileSystem = openFileSystem(opened.volume, { blockMemoryBytes, noatime, root });
    const { fileSystem } = this;
    const owner = options.owner ?? root;
    this.owner = owner;
    let transfer: FileTransfer | undefined;
    const locks = { all: this.locks, line: opened.volume.locks.line };
    this.makeFiles = (enter) => {
      if (transfer === undefined) {
        const made = transfer = new FileTransfer(fileSystem, kernel);
        opened.volume.wipers.push(() => made.wipe());
      }
      return new VaultFiles({ fileSystem, kernel, owner, enter, transfer, locks });
    };
    const { makeFiles } = this;
    this.transactions = new Transactions({ fileSystem, volume: opened.volume, makeFiles });
    const { enter, enterToClose } = this.transactions;
    const views = {
      opened,
      kernel,
      owner,
      noatime,
      bytesMax: options.viewMemoryBytes,
      enter,
      enterToClose,
      first: fileSystem,
      makeFiles,
      locks: this.locks,
    };
    this.views = new OpenViews(views);
    const { volume: { id }, volumes } = opened;
    const name = () => volumes.nameOf(id);
    const volumesParts = { volumes, engine, views: this.views, enter, first: name };
    this.volumes = new VaultVolumes(volumesParts);
    this.snapshots = new VaultSnapshots(volumesParts);
    this.streams = new VaultStreams(volumesParts, keys);
  }

  /** Where everything lies, sealed: the member with the lowest number. */
  get medium(): StorageBackend {
    return this.opened.volume.engine.media.all[0];
  }

  /** Its files, by path. The first use sets 1 MiB of kernel memory aside. */
  get files(): VaultFiles {
    return this.madeFiles ??= this.makeFiles(this.transactions.enter);
  }

  /**
   * Runs `work`, which changes files through its argument. When it resolves, all of that becomes durable as one; when
   * it rejects, a time-out passes or the machine stops, nothing of it is there. Other calls wait until it ends; there is
   * one transaction at a time, and none inside another.
   */
  transaction<T>(
    work: (files: VaultFiles) => T | Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    return this.transactions.run(work, options);
  }

  /** True where nothing can be changed. */
  get readOnly(): boolean {
    return this.opened.volume.engine.readOnly;
  }

  /** Makes everything durable in a new root. */
  async commit(): Promise<void> {
    const { enter } = this.transactions;
    for (let wait = enter(); wait !== null; wait = enter()) await wait;
    try {
      this.opened.volume.commitNow();
      this.views.throwLost();
    } catch (error) {
      throw asPathError(error, "commit", "/");
    }
  }

  /**
   * Changes its members or its size: one such change after the other.
   *
   * @internal
   */
  reshape<T>(work: () => Promise<T>): Promise<T> {
    return this.reshaping(() => this.transactions.whileOpen(work));
  }

  /**
   * For filling media with noise, one after the other.
   *
   * @internal
   */
  get noiseScratch(): NoiseScratch {
    return this.madeScratch ??= noiseScratch(this.header.kernel);
  }

  /** Makes everything durable once a running transaction has ended, gives free cells back, wipes the keys, releases the medium. Idempotent. */
  async close(): Promise<void> {
    if (this.closing !== null) {
      void this.transactions.enterToClose(); // inside a transaction one would wait for oneself
      // Whoever asks first is told how it ends; others wait for it.
      return await this.closing.catch(() => {});
    }
    if (this.closed) return;
    this.closing = this.closeNow().finally(() => {
      // Where it could not even begin, it may be asked again.
      if (!this.closed) this.closing = null;
    });
    await this.closing;
  }

  /** The same, once. */
  private async closeNow(): Promise<void> {
    await this.transactions.giveUpHeld(() => this.abandon());
    await this.locks.settled();
    const { enterToClose: enter } = this.transactions;
    for (let wait = enter(); wait !== null; wait = enter()) await wait;
    if (this.closed) return;
    this.closed = true;
    this.transactions.close();
    this.madeFiles?.releaseAll();
    try {
      await this.views.closeAll();
      if (!this.readOnly) {
        this.freeSome();
        await this.views.syncAll();
        this.opened.volume.engine.discardReleased();
        await this.opened.memory?.settle();
      }
    } catch (error) {
      throw belowPath(error);
    } finally {
      await this.release();
    }
  }

  /** What was deleted may stay longer: what is in the way is damage, which `check` names, or the sync that follows meets it too. */
  private freeSome(): void {
    try {
      for (let n = 0; n < FREEING_STEPS && this.opened.volumes.destroyStep(); n++);
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
    }
  }

  /** Ends without writing anything: after a broken invariant, nothing that is in memory may become durable. */
  async abandon(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.transactions.close();
    await this.release();
  }

  /** Wipes the keys and gives the medium back. */
  private async release(): Promise<void> {
    this.opened.memory?.wipe();
    try {
      this.opened.wipe();
    } finally {
      this.header.keys.wipe();
      for (const medium of this.opened.volume.engine.media.all) await medium.close();
    }
  }

  /** Closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Makes a vault on a medium, or on several. What they held is overwritten. */
export async function createVault(parts: VaultParts, options: CreateVaultOptions): Promise<Vault> {
  const media = [parts.medium, ...parts.members ?? []];
  if (new Set(media).size < media.length) {
    throw new VaultError("invalid", "Cannot create a vault on several media: two are the same");
  }
  const shape = await shapeOf(media, options);
  for (const [i, medium] of media.entries()) {
    await makeRoom({ ...parts, medium }, shape.members[i], options);
  }
  const { kernel, runtime, platform } = parts;
  const { secret, mode = "user", kdf, label, begun } = options;
  const header = { kernel, runtime, platform, secret, mode, kdf, label, ...begun };
  const keys = await createHeaders(header, media);
  const memory = await recall(parts, keys, options);
  const opened = createVolume({ ...parts, keys, onDamage: options.onDamage, memory }, shape);
  const vault = new Vault(parts, opened, keys, options);
  await vault.commit();
  await opened.memory?.settle();
  return vault;
}

/** Opens a vault with a secret: the one that is not hidden, or the hidden one. */
export async function openVault(parts: VaultParts, options: OpenVaultOptions): Promise<Vault> {
  const { medium, members = [], kernel, runtime, platform } = parts;
  const { secret, profiles, stretch, trying } = options;
  const header = { kernel, runtime, platform, secret, profiles, stretch, trying };
  const keys = await openHeaders(header, [medium, ...members]);
  return await openVaultWithKeys(parts, keys, options);
}

async function openVaultWithKeys(
  parts: VaultParts,
  keys: VaultKeys,
  options: OpenVaultOptions,
): Promise<Vault> {
  const isReadOnly = options.readOnly === true || !parts.medium.capabilities.writable;
  const readOnly = isReadOnly && options.scratch !== true;
  const { cacheBytes, protect } = options;
  try {
    const placed = ownParts(parts, keys.hidden);
    const own = options.scratch === true ? scratchParts(placed) : placed;
    const memory = await recall(parts, keys, options);
    const { onDamage, acceptMissing, volume } = options;
    const remembering = { onDamage, acceptMissing, memory, volume };
    const volumeOptions = { ...own, keys, cacheBytes, protect, ...remembering };
    const opened = openVolume(volumeOptions, readOnly ? "read" : "write");
    await memory?.keepFound();
    return new Vault(own, opened, keys, options);
  } catch (error) {
    keys.wipe();
    throw error;
  }
}

/** The same media, of which changes stay in memory; only this thread knows of them. */
function scratchParts(parts: VaultParts): VaultParts {
  const over = (medium: StorageBackend) => new ScratchMedium(medium, requireDirect(medium).direct);
  const members = parts.members?.map(over);
  return { ...parts, medium: over(parts.medium), members, lane: undefined };
}

type Remembering = Pick<OpenVaultOptions, "rootMemory" | "acceptRollback" | "scratch">;

/** What this device remembers of a vault: of a hidden one nothing, which would prove that it is there. */
async function recall(
  { medium, members = [], kernel, runtime }: VaultParts,
  keys: VaultKeys,
  { rootMemory, acceptRollback, scratch }: Remembering,
): Promise<DeviceMemory | undefined> {
  if (rootMemory === undefined || scratch === true || keys.hidden !== undefined) return undefined;
  return await DeviceMemory.recall({
    rootMemory,
    media: [medium, ...members],
    kernel,
    runtime,
    keys,
    acceptRollback,
  });
}
