import type { Inode } from "../format/inode.ts";
import { clampSeconds } from "../format/inode.ts";
import type { Runtime } from "../runtime.ts";
import type { Time } from "./file_system.ts";

/** Seconds after which relatime brings an access time up to date in any case. */
const DAY_SECONDS = 86400;

/** The time of the operation that runs: read once, then the same for everything it touches. */
export class Clock {
  readonly #runtime: Runtime;
  seconds = 0;
  nanoseconds = 0;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Reads the clock. */
  tick(): void {
    const milliseconds = this.#runtime.now();
    this.seconds = Math.floor(milliseconds / 1000);
    this.nanoseconds = Math.floor((milliseconds - this.seconds * 1000) * 1e6);
  }

  /** Sets the change time to now. */
  changed(inode: Inode): void {
    inode.ctime = this.seconds;
    inode.ctimeNs = this.nanoseconds;
  }

  /** Sets modification and change time to now. */
  modified(inode: Inode): void {
    inode.mtime = this.seconds;
    inode.mtimeNs = this.nanoseconds;
    this.changed(inode);
  }

  /** Sets every time to now. */
  born(inode: Inode): void {
    this.modified(inode);
    inode.atime = inode.crtime = this.seconds;
    inode.atimeNs = inode.crtimeNs = this.nanoseconds;
  }

  /** Sets the access time where relatime asks for it; true where it changed. */
  accessed(inode: Inode): boolean {
    const isOld = this.seconds - inode.atime >= DAY_SECONDS;
    if (!isOld && isAfter(inode, "mtime") && isAfter(inode, "ctime")) return false;
    inode.atime = this.seconds;
    inode.atimeNs = this.nanoseconds;
    return true;
  }

  /** The time that a caller asked for. */
  resolve(time: Time | "now"): Time {
    if (time === "now") return { seconds: this.seconds, nanoseconds: this.nanoseconds };
    return { seconds: clampSeconds(time.seconds), nanoseconds: time.nanoseconds };
  }
}

function isAfter(inode: Inode, which: "mtime" | "ctime"): boolean {
  const seconds = inode[which];
  if (inode.atime !== seconds) return inode.atime > seconds;
  return inode.atimeNs > (which === "mtime" ? inode.mtimeNs : inode.ctimeNs);
}
