import { PosixError } from "../../core/fs/file_system.ts";
import { S_IFDIR } from "../../core/fs/mode.ts";
import type { PosixFileSystem } from "../../core/fs/posix_file_system.ts";
import type { Kernel } from "../../core/crypto/kernel.ts";
import { FileActions } from "./file_actions.ts";
import { emptyAttributes, named, ROOT } from "./open_memory_volume.ts";
import type { RandomStream } from "./random_stream.ts";

const NAMES = 12;
const BYTES_MAX = 40_000;
/** fallocate: sets aside, with and without the size; punches a hole; zeros. */
const MODES = [0, 1, 3, 17];

/** What a random operation did, for those who keep a record of it. */
export interface WorkloadObserver {
  /** A file's content or size was changed, or is about to go away. */
  changed(ino: number): void;
  /** Everything until now is durable; `ino` with its data, or all where it is 0. */
  promised(ino: number): void;
}

/** Random operations of programs on a filesystem. Refused ones change nothing and are fine. */
export class FileWorkload {
  readonly actions: FileActions;
  readonly files: number[] = [];
  readonly #fs: PosixFileSystem;
  readonly #stream: RandomStream;
  readonly #observer: WorkloadObserver;
  readonly #directories = [1];
  readonly #open: number[] = [];

  constructor(
    fs: PosixFileSystem,
    kernel: Kernel,
    parts: { stream: RandomStream; observer: WorkloadObserver },
  ) {
    this.#fs = fs;
    this.actions = new FileActions(fs, kernel);
    this.#stream = parts.stream;
    this.#observer = parts.observer;
  }

  /** Runs one operation. */
  async step(): Promise<void> {
    try {
      await this.#step(this.#stream.below(100));
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
    }
  }

  async #step(kind: number): Promise<void> {
    if (kind < 14) this.#create();
    else if (kind < 50) this.#write();
    else if (kind < 58) this.#resize();
    else if (kind < 72) this.#rename();
    else if (kind < 80) this.#unlink();
    else if (kind < 84) this.#makeDirectory();
    else if (kind < 88) this.#decorate();
    else if (kind < 96) await this.#fsync();
    else if (kind < 98) this.#release();
    else await this.#syncAll();
  }

  #file(): number {
    if (this.files.length === 0) this.#create();
    return this.files[this.#stream.below(this.files.length)] ?? 1;
  }

  #directory(): number {
    return this.#directories[this.#stream.below(this.#directories.length)];
  }

  #name(): Uint8Array {
    return named(`name ${this.#stream.below(NAMES)}`);
  }

  #create(): void {
    const ino = this.actions.create(`name ${this.#stream.below(NAMES)}`, this.#directory());
    this.#observer.changed(ino);
    this.files.push(ino);
  }

  #write(): void {
    const ino = this.#file();
    const isFar = this.#stream.chance(0.1);
    const offset = this.#stream.below(isFar ? 2_000_000 : BYTES_MAX);
    const length = 1 + this.#stream.below(this.#stream.chance(0.5) ? 1000 : BYTES_MAX / 2);
    this.#observer.changed(ino);
    this.actions.write(ino, offset, new Uint8Array(length).fill(this.#stream.below(255) + 1));
  }

  #resize(): void {
    const ino = this.#file();
    this.#observer.changed(ino);
    if (this.#stream.chance(0.6)) return this.actions.truncate(ino, this.#stream.below(BYTES_MAX));
    const offset = this.#stream.below(BYTES_MAX);
    const mode = MODES[this.#stream.below(MODES.length)];
    this.#fs.fallocate(ino, offset, 1 + this.#stream.below(BYTES_MAX), mode);
  }

  #rename(): void {
    const from = { parent: this.#directory(), name: this.#name() };
    const to = { parent: this.#directory(), name: this.#name() };
    const exchange = this.#stream.chance(0.2);
    const out = emptyAttributes();
    this.#noteTarget(to.parent, to.name);
    this.#fs.lookup(from.parent, from.name, out);
    this.#fs.rename(from, to, { noReplace: false, exchange });
  }

  /** What is renamed over goes away. */
  #noteTarget(parent: number, name: Uint8Array): void {
    try {
      const out = emptyAttributes();
      this.#fs.lookup(parent, name, out);
      this.#observer.changed(out.ino);
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
    }
  }

  #unlink(): void {
    const parent = this.#directory();
    const name = this.#name();
    const out = emptyAttributes();
    this.#fs.lookup(parent, name, out);
    if ((out.mode & S_IFDIR) !== 0) {
      this.#fs.rmdir(parent, name);
      this.#directories.splice(this.#directories.indexOf(out.ino), 1);
      return;
    }
    if (this.#stream.chance(0.3)) {
      this.#fs.open(out.ino, 0);
      this.#open.push(out.ino);
    }
    this.#observer.changed(out.ino);
    this.#fs.unlink(parent, name);
  }

  #release(): void {
    const ino = this.#open.pop();
    if (ino === undefined) return;
    this.#observer.changed(ino);
    this.#fs.release(ino);
  }

  #makeDirectory(): void {
    const out = emptyAttributes();
    const parent = this.#directory();
    this.#fs.mknod(ROOT, { parent, name: this.#name() }, { mode: S_IFDIR | 0o755, rdev: 0 }, out);
    this.#directories.push(out.ino);
  }

  #decorate(): void {
    const ino = this.#file();
    const out = emptyAttributes();
    const kind = this.#stream.below(3);
    if (kind === 0) this.#fs.link(ino, this.#directory(), this.#name(), out);
    else if (kind === 1) {
      this.#fs.symlink(
        ROOT,
        { parent: this.#directory(), name: this.#name() },
        named("some/where"),
        out,
      );
    } else {
      const value = new Uint8Array(this.#stream.below(6000)).fill(7);
      this.#fs.setxattr(ino, named(`user.${this.#stream.below(3)}`), value, 0);
    }
  }

  async #fsync(): Promise<void> {
    const ino = this.#file();
    await this.#fs.fsync(ino);
    this.#observer.promised(ino);
  }

  async #syncAll(): Promise<void> {
    await this.#fs.syncAll();
    this.#observer.promised(0);
  }
}
