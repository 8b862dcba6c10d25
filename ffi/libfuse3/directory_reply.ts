import { getU64, setU64 } from "../../core/bytes.ts";
import {
  type Attributes,
  type DirectoryVisitor,
  type FileSystem,
  PosixError,
} from "../../core/fs/file_system.ts";
import { DIRENT, ENTRY_OUT, OUT_HEADER } from "./protocol.ts";
import { isDots } from "./request.ts";
import { type Reply, REPLY_BODY_BYTES_MAX, type Timeout } from "./reply.ts";

const BODY = OUT_HEADER.bytes;

/** Packs fuse_dirent records (for READDIRPLUS each after a fuse_entry_out) until the kernel's buffer is full. */
export class DirectoryReply {
  readonly #reply: Reply;
  #end = 0;
  #limit = 0;
  /** Bytes before each dirent. */
  #lead = 0;
  /** An entry did not even fit into an empty reply. */
  #overflowed = false;

  constructor(reply: Reply) {
    this.#reply = reply;
  }

  /** Starts a body of at most `size` bytes. */
  begin(size: number, plus: boolean): void {
    this.#end = 0;
    this.#limit = Math.min(size, REPLY_BODY_BYTES_MAX);
    this.#lead = plus ? ENTRY_OUT.bytes : 0;
    this.#overflowed = false;
  }

  /** Adds one entry; false where it does not fit any more. */
  readonly visit: DirectoryVisitor = ({ ino, cookie, type, name }) => {
    const record = this.#lead + ((DIRENT.name + name.length + 7) & ~7);
    if (this.#end + record > this.#limit) {
      this.#overflowed = this.#end === 0;
      return false;
    }
    const { bytes, view } = this.#reply;
    const start = BODY + this.#end;
    const at = start + this.#lead;
    // A node id of 0 tells the kernel that an entry comes without attributes.
    bytes.fill(0, start, at);
    setU64(view, at + DIRENT.ino, ino);
    setU64(view, at + DIRENT.cookie, cookie);
    view.setUint32(at + DIRENT.nameBytes, name.length, true);
    view.setUint32(at + DIRENT.type, type, true);
    bytes.set(name, at + DIRENT.name);
    bytes.fill(0, at + DIRENT.name + name.length, start + record);
    this.#end += record;
    return true;
  };

  /** Bytes of the finished body, or -1 where not one entry fits. */
  get length(): number {
    return this.#overflowed ? -1 : this.#end;
  }

  /**
   * Fills in the attributes of all entries but "." and "..". This comes after the listing, because the filesystem must not
   * be called from inside its own visit.
   */
  addAttributes(
    fileSystem: FileSystem,
    attributes: Attributes,
    timeouts: { entry: Timeout; attr: Timeout },
  ): void {
    const { bytes, view } = this.#reply;
    for (let at = 0; at < this.#end;) {
      const dirent = BODY + at + ENTRY_OUT.bytes;
      const nameBytes = view.getUint32(dirent + DIRENT.nameBytes, true);
      const name = bytes.subarray(dirent + DIRENT.name, dirent + DIRENT.name + nameBytes);
      if (!isDots(name)) {
        try {
          fileSystem.getattr(getU64(view, dirent + DIRENT.ino), attributes);
          this.#reply.entry(at, attributes, timeouts);
        } catch (error) {
          // One unreadable inode must not hide the rest of the directory: its entry comes without attributes.
          if (!(error instanceof PosixError)) throw error;
        }
      }
      at += ENTRY_OUT.bytes + ((DIRENT.name + nameBytes + 7) & ~7);
    }
  }
}
