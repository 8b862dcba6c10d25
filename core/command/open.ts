import { confinedTree } from "./confined_tree.ts";
import { wipe } from "../bytes.ts";
import type { KdfChoice, KdfProfileName } from "../crypto/argon2.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import type { RootMemory } from "../crypto/platform.ts";
import { VaultError } from "../errors.ts";
import { openHeader } from "../volume/header_area.ts";
import { ownParts } from "../volume/hidden_place.ts";
import type { OpenHeaderContext } from "../volume/header_slots.ts";
import { type ControlOptions, type ControlProgress, wipeMessage } from "../vault/control.ts";
import { DamageNews } from "../vault/damage_news.ts";
import { openVault, type Vault } from "../vault/vault.ts";
import { type FileTree, joinPath, type NodeStat, vaultPath } from "./file_tree.ts";
import type { CryptoLaneName, Host, OpenedParts, RunningMount } from "./host.ts";
import { mediumOfMount } from "./own_medium.ts";
import { stateWarnings, whyLong } from "./opening_text.ts";
import { showWaiting } from "./terminal/waiting.ts";
import { placeToProtect } from "./protect.ts";
import {
  profilesOf,
  type ProtectOptions,
  secretFor,
  type SecretOptions,
  wantsProtection,
  wipeSecret,
} from "./secrets.ts";
import { pathBytes } from "./path_text.ts";
import { proofOf } from "./slot_verbs.ts";
import { splitVaultName } from "./vault_name.ts";

/** Node ids of a mount have the lower half of an inode number. */
const HALF = 2 ** 32;

/** What verbs on a vault are told about opening it. */
export interface OpenOptions extends SecretOptions, ProtectOptions, MemoryOptions {
  readonly cryptoLane?: CryptoLaneName;
}

/** What verbs are told about what this device remembers. */
export interface MemoryOptions {
  /** What is found is the newest from now on. */
  readonly acceptRollback?: boolean;
  /** False: nothing is compared, and nothing remembered. */
  readonly memory?: boolean;
}

/** Reading verbs leave the medium as it is. */
export type Access = "read" | "write";

/** Where a verb finds its vault: behind a running mount, or on a medium that it opens. */
export interface VaultTarget {
  readonly host: Host;
  readonly medium: string;
  readonly options: OpenOptions;
}

/** Opens a vault, works with it, makes everything durable and closes it. */
export async function withVault<T>(
  target: VaultTarget,
  access: Access,
  use: (vault: Vault) => Promise<T>,
): Promise<T> {
  return await withSecret(target, access, async (opening) => {
    return await withOpened(target, access, opening, (vault) => {
      wipeSecret(opening.secret);
      return use(vault);
    });
  });
}

/** The same with a secret that is there already and is not wiped; "scratch": what is written stays in memory. */
export async function withOpened<T>(
  target: VaultTarget,
  access: Access | "scratch",
  { parts, secret, profiles, trying, waiting }: SecretParts,
  use: (vault: Vault) => Promise<T>,
): Promise<T> {
  const { host, medium } = target;
  const protect = await placeToProtect(host, parts, target.options);
  const readOnly = access === "read";
  const news = new DamageNews();
  const { onDamage } = news;
  const { acceptRollback } = target.options;
  const rootMemory = rootMemoryOf(parts, target.options);
  const scratch = access === "scratch";
  const asked = { secret, readOnly, scratch, profiles, trying, protect };
  const opening = { ...asked, rootMemory, acceptRollback };
  const options = { ...opening, owner: host.owner(), onDamage };
  const vault = await waiting(() => openVault(parts, options));
  try {
    requireWritable(vault, access, medium);
    if (!scratch) await warnOfState(host, medium, vault);
    return await use(vault);
  } finally {
    await vault.close();
    await tell(host, news);
    await tellWarning(host, vault.opened.memory?.warning);
  }
}

async function tell({ err }: Host, news: DamageNews): Promise<void> {
  const text = news.take();
  if (text !== null) await err.write(`sigmavault: ${text}\n`);
}

/** Says why less is remembered than should be. */
export async function tellWarning({ err }: Host, warning: string | null = null): Promise<void> {
  if (warning !== null) await err.write(`sigmavault: warning: ${warning}\n`);
}

/** Where this device remembers roots, unless it shall not. */
export function rootMemoryOf(
  { platform }: OpenedParts,
  { memory = true }: MemoryOptions,
): RootMemory | undefined {
  return memory ? platform?.rootMemory?.() : undefined;
}

/** What opening a vault or its header takes. */
export interface SecretParts {
  readonly parts: OpenedParts;
  readonly secret: Secret;
  readonly profiles: readonly KdfProfileName[];
  /** To be told what is tried, so that it can be shown. */
  readonly trying: (kdf: KdfChoice) => void;
  /** Shows why it takes long. */
  waiting<T>(open: () => Promise<T>): Promise<T>;
}

/** Opens the medium, asks for the secret, and gives both back afterwards. */
export async function withSecret<T>(
  { host, medium, options }: VaultTarget,
  access: Access,
  use: (parts: SecretParts) => Promise<T>,
): Promise<T> {
  // First: who mistypes a name is told before a passphrase is asked for.
  const { cryptoLane = "wasm" } = options;
  const parts = await host.openParts(host.absolute(medium), { access, cryptoLane });
  try {
    const secret = await secretFor(host, medium, options);
    try {
      const profiles = profilesOf(options);
      let tried: KdfChoice | undefined;
      const trying = (kdf: KdfChoice) => void (tried = kdf);
      const waiting = <R>(open: () => Promise<R>) =>
        showWaiting(host.err, () => whyLong(profiles, tried), open);
      return await use({ parts, secret, profiles, trying, waiting });
    } finally {
      wipeSecret(secret);
    }
  } finally {
    await parts.closeParts();
  }
}

/** Never silent: somebody may have damaged the newest root on purpose. */
async function warnOfState(host: Host, medium: string, vault: Vault): Promise<void> {
  for (const text of stateWarnings(medium, vault.opened)) {
    await host.err.write(`sigmavault: warning: ${text}\n`);
  }
}

function requireWritable(vault: Vault, access: Access | "scratch", medium: string): void {
  if (access !== "write" || !vault.readOnly) return;
  throw new VaultError("denied", `Cannot change "${medium}": it may only be read`, {
    errno: "EROFS",
  });
}

/** A vault's opened header, and the slot that the secret opened. */
export interface OpenedSlot {
  readonly context: OpenHeaderContext;
  readonly slotIndex: number;
  readonly movedFrom: string | null;
}

/** Opens only the header: for verbs on keys. */
export async function withHeader<T>(
  target: VaultTarget,
  access: Access,
  use: (opened: OpenedSlot) => Promise<T>,
): Promise<T> {
  return await withSecret(target, access, async ({ parts, secret, profiles, trying, waiting }) => {
    const open = () => openHeader({ ...parts, secret, profiles, trying });
    const { keys, slotIndex, movedFrom } = await waiting(open);
    try {
      const context = { ...ownParts(parts, keys.hidden), keys };
      return await use({ context, slotIndex, movedFrom });
    } finally {
      wipe(keys.vaultId);
      keys.wipe();
    }
  });
}

/** The files of a vault, and how a path of the vault is written there. */
export interface OpenTree {
  readonly tree: FileTree;
  /** Path or URL of the medium. */
  medium(): Promise<string>;
  /** From a path as typed to one of `tree`. */
  path(typed: string): string;
  /** From a path of `tree` to one of the vault. */
  shown(path: string): string;
  /** True where the content of a file is locked. */
  isLocked(path: string, stat: NodeStat): Promise<boolean>;
}

/** Works on the files of a vault: on a running mount simply through the mount point. */
export async function withTree<T>(
  target: VaultTarget,
  access: Access,
  use: (open: OpenTree) => Promise<T>,
): Promise<T> {
  const { host } = target;
  const { medium, view } = await splitVaultName(host, target.medium);
  const { mountedView, withView } = await import("./view_tree.ts");
  const mount = await host.runningMount(medium);
  if (mount !== null) {
    try {
      if (wantsProtection(target.options)) throw mountedAlready(medium);
      return await use(mountedTree(host, mount, await mountedView(mount, view)));
    } finally {
      mount.close();
    }
  }
  const { vaultTree } = await import("./vault_tree.ts");
  return await withVault({ ...target, medium }, access, async (vault) => {
    const own = () => Promise.resolve(vault.medium.name);
    return await withView(
      vault,
      view,
      (shown) =>
        use({
          tree: vaultTree(shown),
          medium: own,
          path: vaultPath,
          shown: (path) => path,
          isLocked: async (path) => await shown.files.lockState(pathBytes(path)) !== "none",
        }),
    );
  });
}

function mountedAlready(medium: string): VaultError {
  return new VaultError(
    "conflict",
    `Cannot protect the hidden vault in "${medium}": it is mounted; mount it with --protect-hidden`,
  );
}

function mountedTree(host: Host, mount: RunningMount, below: string): OpenTree {
  const mountpoint = mount.mountpoint + below;
  const locked = lockedIn(mount);
  return {
    tree: confinedTree(host.local, mountpoint, (path) => host.canonical(path)),
    medium: () => mediumOfMount(mount),
    path(typed) {
      const inside = vaultPath(typed);
      return inside === "/" ? mountpoint : joinPath(mountpoint, inside.slice(1));
    },
    shown: (path) => path.slice(mountpoint.length) || "/",
    isLocked: async (_, { identity }) => (await locked()).has(lowHalfOf(identity)),
  };
}

/** Which files of a mount are locked, asked for once; by the half of their number that is the same in snapshots. */
function lockedIn(mount: RunningMount): () => Promise<ReadonlySet<number>> {
  let asked: Promise<ReadonlySet<number>> | null = null;
  return () =>
    asked ??= mount.call("lock list").then((answer) =>
      new Set((answer as { inos: number[] }).inos.map((ino) => ino % HALF))
    );
}

/** Of the number of a device, in one part or two, and that of an inode. */
function lowHalfOf(identity: string): number {
  return Number(identity.slice(identity.lastIndexOf(":") + 1)) % HALF;
}

/** Runs a verb where the vault is: in the process that mounted it, or here on the opened vault. */
export async function onMountOr<T>(
  { host, medium }: VaultTarget,
  verb: {
    readonly name: string;
    readonly options?: ControlOptions;
    readonly progress?: ControlProgress;
  },
  here: () => Promise<T>,
): Promise<T> {
  const mount = await host.runningMount(medium);
  if (mount === null) return await here();
  try {
    return await mount.call(verb.name, verb.options, verb.progress) as T;
  } finally {
    mount.close();
  }
}

/** A verb of a running mount that a secret must be presented for. */
interface ProvenVerb {
  readonly name: string;
  /** Its other options; their bytes are wiped. */
  readonly ask?: () => Promise<ControlOptions>;
}

/** Asks for a secret that opens the vault and runs a verb with it in the process that mounted it. */
export async function callProven(
  { host, medium, options }: VaultTarget,
  mount: RunningMount,
  { name, ask = () => Promise.resolve({}) }: ProvenVerb,
): Promise<unknown> {
  const proof = proofOf(await secretFor(host, medium, options), options.kdf);
  try {
    const asked = await ask();
    try {
      return await showWaiting(
        host.err,
        () => whyLong(profilesOf(options)),
        () => mount.call(name, { ...asked, ...proof }),
      );
    } finally {
      wipeMessage(asked);
    }
  } finally {
    wipeMessage(proof);
  }
}
