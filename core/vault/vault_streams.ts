import { wipe } from "../bytes.ts";
import type { VaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import type { MemoryLease } from "../fs/memory_lease.ts";
import { printToken } from "../format/stream_head.ts";
import { nextTurn } from "../turn.ts";
import { Receiving } from "../volume/receiving.ts";
import type { SnapshotName } from "../volume/volume_status.ts";
import type { StreamBytes } from "./stream_frames.ts";
import {
  NOTE_BYTES,
  type ReceiveOptions,
  type ReceiveReport,
  StreamReceive,
} from "./stream_receive.ts";
import {
  freshSalt,
  sendingKey,
  type SendOptions,
  type StreamParts,
  type StreamSecret,
  StreamSend,
} from "./stream_send.ts";
import { type Enter, whenFree } from "./transactions.ts";
import type { VolumesParts } from "./vault_volumes.ts";

/** What is on its way into a volume, or was interrupted. */
export interface ReceiveStatus {
  /** The volume that gets it, which may not be there yet. */
  readonly volume: string;
  /** When it began, milliseconds since 1970. */
  readonly began: number;
  /** Bytes of files' content that have arrived, as far as they were made durable. */
  readonly contentBytes: number;
}

/** Chunks that are made before others get their turn: a mebibyte. */
const CHUNKS_PER_TURN = 3;

/**
 * Snapshots as streams: into another vault, or the same one, over whatever carries bytes.
 *
 * @example
 * ```ts
 * import { createVault } from "@sigmavault/sigmavault";
 * import assert from "node:assert/strict";
 * await using laptop = await createVault({ medium: "memory:", passphrase: "correct horse" });
 * await using server = await createVault({ medium: "memory:", passphrase: "battery staple" });
 * const secret = { passphrase: new TextEncoder().encode("what both sides know") };
 *
 * await laptop.files.writeFile("/plan", "first");
 * await laptop.snapshots.create("main", "monday");
 * await server.streams.receive("copy", laptop.streams.send("main", "monday", secret), secret);
 *
 * await laptop.files.writeFile("/plan", "second");
 * await laptop.snapshots.create("main", "tuesday");
 * const changes = laptop.streams.send("main", "tuesday", { from: "monday", ...secret });
 * await server.streams.receive("copy", changes, secret);
 *
 * await using copy = await server.volumes.open("copy");
 * assert.equal(await copy.files.readText("/plan"), "second");
 *
 * // Kept by somebody who cannot read it, and given back.
 * const raw = laptop.streams.send("main", "tuesday", { form: "raw" });
 * await server.streams.receive("sealed", raw, { raw: true });
 * const back = server.streams.send("sealed", "tuesday", { form: "raw" });
 * await laptop.streams.receive("returned", back, { raw: true });
 * const opened = laptop.streams.send("returned", "tuesday", { form: "opened" });
 * await laptop.streams.receive("restored", opened);
 * await using restored = await laptop.volumes.open("restored");
 * assert.equal(await restored.files.readText("/plan"), "second");
 * ```
 */
export class VaultStreams {
  readonly #parts: VolumesParts;
  readonly #stream: StreamParts;
  readonly #receiving: Receiving;
  /** Volumes that something is being received into. */
  readonly #busy = new Set<string>();
  #closed = false;
  /**
   * Received bytes after which what has arrived is made durable. Tests lower it.
   *
   * @internal
   */
  noteBytes: number = NOTE_BYTES;

  /**
   * Use `vault.streams`.
   *
   * @internal
   */
  constructor(parts: VolumesParts, keys: VaultKeys) {
    const { engine, volumes, views } = parts;
    this.#parts = parts;
    const leases = new Set<MemoryLease>();
    const lease = () => {
      const made = views.lease();
      leases.add(made);
      return made;
    };
    const giveBack = (made: MemoryLease) => {
      made.release();
      leases.delete(made);
    };
    // Streams that nobody has read to their end or cancelled: their keys lie in this memory.
    engine.wipers.push(() => {
      this.#closed = true;
      leases.forEach(giveBack);
    });
    this.#stream = { engine, volumes, keys, lease, giveBack };
    this.#receiving = new Receiving(engine, volumes);
  }

  /** Streams may be left open when their vault is closed, and then end here. */
  readonly #enter: Enter = () => {
    if (!this.#closed) return this.#parts.enter();
    throw new VaultError("invalid", "Cannot go on with the stream: its vault is closed");
  };

  /**
   * A snapshot as a stream of bytes, sealed: all of it, or with `from` what differs from another one. Without a passphrase it is
   * sealed under the vault's own key, so that only a vault with the same keys can receive it. The snapshots cannot be deleted
   * while it is read; cancelling it lets them go.
   */
  send(
    volume: string,
    snapshot: SnapshotName,
    options: SendOptions & StreamSecret = {},
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    let sending: StreamSend | null = null;
    let chunks = 0;
    let cancelled = false;
    return new ReadableStream({
      pull: async (controller) => {
        try {
          if (sending === null) {
            sending = await this.#begin({ volume, snapshot, ...options });
            return controller.enqueue(sending.salt);
          }
          const open = sending;
          let chunk = await whenFree(this.#enter, () => open.next());
          while (chunk?.length === 0) {
            await nextTurn();
            chunk = await whenFree(this.#enter, () => open.next());
          }
          if (chunk !== null) controller.enqueue(chunk);
          else if (!cancelled) {
            open.close();
            controller.close();
          }
          if (++chunks % CHUNKS_PER_TURN === 0) await nextTurn();
        } catch (error) {
          sending?.close();
          throw error;
        }
      },
      cancel: () => {
        cancelled = true;
        sending?.close();
      },
    });
  }

  async #begin(
    what: { readonly volume: string; readonly snapshot: SnapshotName } & SendOptions & StreamSecret,
  ): Promise<StreamSend> {
    const salt = freshSalt(this.#parts.engine);
    const key = await sendingKey(this.#stream, salt, what);
    try {
      return await whenFree(
        this.#enter,
        () => new StreamSend(this.#stream, what, { salt, key }),
      );
    } finally {
      wipe(key);
    }
  }

  /**
   * Makes a volume of a snapshot that is received, or with a difference brings a volume, which has the snapshot that it is a
   * difference to and was not changed since, to the later one. The snapshot has its name and its time. Nothing of it is seen
   * before all has arrived and was found to be what was sent; where that fails, what has arrived is kept for a stream that
   * goes on from there: see {@linkcode resumeToken}.
   */
  async receive(
    volume: string,
    bytes: StreamBytes,
    options: ReceiveOptions & StreamSecret = {},
  ): Promise<ReceiveReport> {
    if (this.#busy.has(volume)) {
      throw new VaultError(
        "conflict",
        `Cannot receive into volume "${volume}": something is being received into it already`,
      );
    }
    this.#busy.add(volume);
    try {
      const receiving = {
        ...this.#stream,
        receiving: this.#receiving,
        enter: this.#enter,
        flush: () => this.#parts.views.flush(),
        noteBytes: this.noteBytes,
      };
      return await new StreamReceive(receiving, volume, bytes, options).run();
    } catch (error) {
      // What is met once the vault is closed says nothing of the stream.
      void this.#enter();
      throw error;
    } finally {
      this.#busy.delete(volume);
    }
  }

  /** What is on its way into volumes, or was interrupted: it takes space until it goes on or is given up. */
  receives(): ReceiveStatus[] {
    return this.#receiving.list().map(({ volume, receive: { began, contentBytes } }) => {
      return { volume, began, contentBytes };
    });
  }

  /** What `send` takes as `resume`, to go on with what was interrupted on its way into a volume; null: nothing was. */
  resumeToken(volume: string): Promise<string | null> {
    return whenFree(this.#enter, () => {
      const found = this.#receiving.find(volume);
      return found === null ? null : printToken(found);
    });
  }

  /** Gives up what was interrupted on its way into a volume. */
  abandon(volume: string): Promise<void> {
    return whenFree(this.#enter, () => {
      const found = this.#receiving.find(volume);
      if (found !== null && !this.#busy.has(volume)) return this.#receiving.abandon(found);
      throw new VaultError(
        found === null ? "missing" : "conflict",
        `Cannot give up receiving into volume "${volume}": ${
          found === null ? "nothing was interrupted" : "it goes on"
        }`,
      );
    });
  }
}
