/**
 * What verbs need from the world outside core. `ffi/host/` implements it for a real machine, `cli.ts` wires it.
 *
 * @module
 */
import type { KdfProfileName } from "../crypto/argon2.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import type { Stretched } from "../crypto/stretched.ts";
import type { ControlOptions, ControlProgress } from "../vault/control.ts";
import type { VaultParts } from "../vault/vault.ts";
import type { Runtime } from "../runtime.ts";
import type { VaultError } from "../errors.ts";
import type { ObjectStorage } from "../objects/object_storage.ts";
import type { JournalFile } from "../objects/transfer_journal.ts";
import type { FileTree } from "./file_tree.ts";
import type { MadeReport, MakeOrder } from "./make_vault.ts";

/** Standard output or standard error. */
export interface Output {
  /** Ends well where nobody reads it any more, as behind `| head`. */
  write(text: string | Uint8Array): Promise<void>;
  /** False since a write has found that nobody reads it any more. */
  readonly isRead: boolean;
  readonly isTerminal: boolean;
  /** Colours may be used: a terminal, and no `NO_COLOR`. */
  readonly colour: boolean;
  /** Width of the terminal in characters; 80 where unknown. */
  readonly columns: number;
}

/** Where keys are typed: bytes come one by one and are not shown. */
export interface Keyboard {
  readonly isTerminal: boolean;
  /** Runs `use` while typed bytes are not shown and not edited. */
  raw<T>(use: (next: () => Promise<number | null>) => Promise<T>): Promise<T>;
}

/** Standard input and output as bytes that go on and on. */
export interface Pipes {
  readonly inputIsTerminal: boolean;
  /** What arrives; each part is valid until the next is asked for. */
  input(): AsyncIterable<Uint8Array>;
  /** Throws `unavailable` where nobody reads any more. */
  write(bytes: Uint8Array): Promise<void>;
}

/** How a medium is opened. */
export interface OpenParts {
  readonly access: "create" | "write" | "read";
  readonly cryptoLane: CryptoLaneName;
  /** With access "create": a directory that holds a vault is used anew. Files are asked about before. */
  readonly overwrite?: boolean;
  /** With access "create": there was nothing, so what is there by now is somebody else's. */
  readonly isNew?: boolean;
  /** Told when the medium is there. */
  readonly begun?: () => void;
}

/** Who seals. */
export type CryptoLaneName = "wasm" | "native";

/** The parts of a vault, opened. `close` after the vault is closed, or instead. */
export interface OpenedParts extends VaultParts {
  closeParts(): Promise<void>;
}

/** A running mount, seen from another process of the same user. */
export interface RunningMount {
  readonly mountpoint: string;
  /** Runs a verb there; the caller wipes bytes in options and answer. */
  call(verb: string, options?: ControlOptions, progress?: ControlProgress): Promise<unknown>;
  /** Resolves when the mount serves no more and has given everything back. */
  ended(): Promise<void>;
  close(): void;
}

/** A vault that is to be made. */
export interface Making {
  readonly order: MakeOrder;
  /** These as in `OpenParts`. */
  readonly overwrite: boolean;
  readonly isNew: boolean;
  begun(): void;
  /** What is derived under the salts of the order. Wiped like the secret. */
  readonly stretched: Promise<readonly Stretched[]>;
  /** Told how far filling a dense vault is. */
  progress(doneBytes: number, totalBytes: number): void;
  /** It is durable; whether it can be mounted is to be seen. */
  made(report: MadeReport): void;
}

/** What a mount needs to be told. */
export interface MountOrder {
  readonly medium: string;
  readonly mountpoint: string;
  readonly secret: Secret;
  /** Place of a hidden vault that is to be left alone, encoded. Wiped like the secret. */
  readonly protect?: Uint8Array;
  readonly kdf?: KdfProfileName;
  /** The vault is made first, by the thread that serves. */
  readonly making?: Making;
  readonly readOnly: boolean;
  readonly allowOther: boolean;
  readonly noatime: boolean;
  /** Make snapshots by this rule of retention. */
  readonly keep?: string;
  /** The volume that is shown; the first one unless given. */
  readonly volume?: string;
  /** Scrub so often; undefined: never by itself. */
  readonly scrubEveryMs?: number;
  /** Re-scatter so many bytes in a second while nobody uses it; undefined: never by itself. */
  readonly rescatterBytes?: number;
  /** `.snapshots` shows in listings of the root directory. */
  readonly listSnapshots: boolean;
  /** Each volume is a directory of the mount; else one is shown. */
  readonly allVolumes?: boolean;
  readonly cryptoLane: CryptoLaneName;
  /** False: processors may sleep between small requests. */
  readonly idlePolling?: boolean;
  /** Take what is found as the newest, whatever this device remembers. */
  readonly acceptRollback?: boolean;
  /** False: nothing is remembered. */
  readonly memory?: boolean;
  /** More options as mount(8) takes them. */
  readonly extra: readonly string[];
}

/** Runs a verb of a running mount; tells how far it is. */
export type ControlAnswer = (
  verb: string,
  options: ControlOptions,
  progress?: ControlProgress,
) => Promise<unknown>;

/** A mount that this process serves. */
export interface ServedMount {
  readonly mountpoint: string;
  readonly readOnly: boolean;
  readonly replayed: number;
  /** Resolves when it is over and everything is written; rejects when something may be lost. */
  readonly ended: Promise<void>;
  control: ControlAnswer;
  unmount(): Promise<"unmounted" | "busy">;
  abort(): void;
}

/** What another process asks of a mount. */
export interface ControlAsked {
  readonly verb: string;
  readonly options: ControlOptions;
  readonly progress: ControlProgress;
  /** Aborted when that process closes the connection, or ends. */
  readonly gone: AbortSignal;
}

/** Answers control requests; closing it removes the socket. */
export interface ControlServer {
  close(): Promise<void>;
}

/** The machine. */
export interface Host {
  readonly runtime: Runtime;
  readonly out: Output;
  readonly err: Output;
  readonly keyboard: Keyboard;
  readonly pipes: Pipes;
  /** The machine's own files. */
  readonly local: FileTree;
  /** Makes a path absolute; URLs stay. */
  absolute(path: string): string;
  /** The path without symlinks, where it exists. */
  canonical(path: string): Promise<string>;
  /** The path behind a medium's name; null where it is no file. */
  pathOf(medium: string): string | null;
  /** Who runs this: the owner of what is made. */
  owner(): { uid: number; gid: number };
  /** Bytes of a small file or of an open descriptor, at most `bytesMax`. */
  readSmall(source: string | number, bytesMax: number): Promise<Uint8Array>;
  /** Writes a file that only its owner can read; `conflict` where it exists, unless forced. */
  writePrivate(path: string, bytes: Uint8Array, force: boolean): Promise<void>;
  /** Opens the universal storage that a file of settings, or else the environment, sets up. */
  openStorage(
    config: string | undefined,
    onWarning: (warning: VaultError) => void,
  ): Promise<ObjectStorage>;
  /** Opens a journal of transfers, and makes it where it is not there; `conflict` while somebody else has it open. */
  openJournal(path: string): Promise<JournalFile>;
  /** Opens a medium with kernel and lane. */
  openParts(medium: string, options: OpenParts): Promise<OpenedParts>;
  /** The running mount whose mount point this is, or null. */
  runningMount(path: string): Promise<RunningMount | null>;
  /** Removes what a killed process left at a mount point: "cleaned", or "none" where nothing is dead there. */
  cleanStale(mountpoint: string): Promise<"cleaned" | "none">;
  /** Mounts and serves in this process. `hurry` cuts the connection if there is one already: a mount point must not be left dead. */
  mount(
    order: MountOrder,
    report: (error: Error) => void,
    hurry: AbortSignal,
  ): Promise<ServedMount>;
  /** Answers requests of other processes of this user for a mount. */
  serveControl(
    mountpoint: string,
    answer: (asked: ControlAsked) => Promise<unknown>,
  ): Promise<ControlServer>;
  /**
   * Runs a command on this terminal, passing signals on; its exit code, or 128 + the signal that ended it.
   * From then on signals do not end this process: it is about to end.
   */
  runCommand(command: readonly string[]): Promise<number>;
  /** Calls back at SIGINT, SIGTERM and SIGHUP; returns how to stop that. */
  onSignal(act: () => void): () => void;
}

/** Written as one line for people, or as JSON. */
export type Json = null | boolean | number | string | readonly Json[] | {
  readonly [name: string]: Json | undefined;
};
