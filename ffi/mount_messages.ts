import type { KdfChoice } from "../core/crypto/argon2.ts";
import type { MadeReport, MakeOrder } from "../core/command/make_vault.ts";
import type { Stretched } from "../core/crypto/stretched.ts";
import type { VaultErrorKind } from "../core/errors.ts";
import type { ControlOptions } from "../core/vault/control.ts";
import type { NamePlace } from "../core/fs/kernel_cache.ts";
import type { Secret } from "../core/crypto/key_encryption.ts";
import type { WorkerOrder } from "../wasm/worker.ts";
import type { ServedSession } from "./libfuse3/served_session.ts";

/** What the serving thread needs to open the vault. Plain data: it is posted. */
export interface ServeOrder {
  /** A path or URL, as `openMedium` takes it. */
  readonly medium: string;
  /** Wiped by the receiver; the sender wipes its own copy. */
  readonly secret: Secret;
  /** Place of a hidden vault to leave alone, encoded; wiped likewise. */
  readonly protect?: Uint8Array;
  /** The key derivations to try, where the caller knows. */
  readonly profiles?: readonly KdfChoice[];
  readonly readOnly: boolean;
  readonly noatime: boolean;
  /** Snapshots are made by this rule of retention (`parseRetention`). */
  readonly keep?: string;
  /** The volume that is shown; the first one unless given. */
  readonly volume?: string;
  /** Milliseconds from one scrub to the next; undefined: never by itself. */
  readonly scrubEveryMs?: number;
  /** Bytes in a second that are re-scattered while nobody uses it; undefined: none. */
  readonly rescatterBytes?: number;
  /** The directory of snapshots shows in listings. */
  readonly listSnapshots: boolean;
  /** Each volume is a directory; else the one of `volume` is shown. */
  readonly allVolumes?: boolean;
  readonly cryptoLane: "wasm" | "native";
  /** Crypto workers beside the serving thread. */
  readonly workers: number;
  /** False: processors may sleep between small requests. */
  readonly idlePolling?: boolean;
  /** Bytes of tree pages kept in memory. */
  readonly cacheBytes?: number;
  /** Take what is found as the newest, whatever this device remembers. */
  readonly acceptRollback?: boolean;
  /** False: nothing is remembered. */
  readonly memory?: boolean;
  /** Make the vault, and serve that. */
  readonly make?: {
    readonly order: MakeOrder;
    readonly overwrite: boolean;
    readonly isNew: boolean;
  };
}

/** A verb for the running mount, from the control socket. Bytes are moved, not cloned, and wiped by the receiver. */
export interface ControlRequest {
  readonly id: number;
  readonly verb: string;
  readonly options: ControlOptions;
}

/** What the kernel shall forget, told by the main thread while the serving one serves. */
export interface ForgetOrder {
  readonly id: number;
  readonly inodes: readonly number[];
  readonly names: readonly NamePlace[];
}

/** To the serving thread. */
export type ToServer =
  | { readonly type: "open"; readonly order: ServeOrder }
  /** What was derived ahead; it follows every "open". */
  | { readonly type: "stretched"; readonly stretched: readonly Stretched[] }
  | { readonly type: "serve"; readonly session: ServedSession }
  | { readonly type: "control"; readonly request: ControlRequest }
  /** The order with this number has been carried out. */
  | { readonly type: "forgotten"; readonly id: number }
  /** Give up: the mount could not be made. */
  | { readonly type: "close" };

/** An error as it crosses a thread or a socket. */
export interface PostedError {
  readonly kind: VaultErrorKind;
  readonly message: string;
  /** A broken invariant or anything else that is no `VaultError`. */
  readonly isBug: boolean;
}

/** From the serving thread. */
export type FromServer =
  /** Start a crypto worker: one that is started by a worker takes half a second to begin. */
  | { readonly type: "spawn"; readonly order: WorkerOrder }
  /** The medium of the vault that is made is there. */
  | { readonly type: "begun" }
  /** How far making a dense vault is, in bytes. */
  | { readonly type: "filled"; readonly done: number; readonly total: number }
  | { readonly type: "made"; readonly report: MadeReport }
  | { readonly type: "opened"; readonly readOnly: boolean; readonly replayed: number }
  | { readonly type: "ready" }
  | { readonly type: "forget"; readonly order: ForgetOrder }
  | {
    readonly type: "reply";
    readonly id: number;
    readonly value?: unknown;
    readonly error?: PostedError;
  }
  /** How far a verb is, in bytes. */
  | {
    readonly type: "progress";
    readonly id: number;
    readonly done: number;
    readonly total: number;
  }
  | { readonly type: "report"; readonly error: PostedError }
  /** The session is over and the vault is closed; with an error, what was not synced may be lost. */
  | { readonly type: "ended"; readonly error?: PostedError };
