import { MemoryObjects } from "../../backends/memory/objects.ts";
import { VaultError } from "../../core/errors.ts";
import { full } from "../../core/storage/medium_errors.ts";
import type { MediumRoom } from "../../core/storage/storage_backend.ts";

const GIB = 1024 ** 3;

/** Objects in memory that fail when told to, and run full. */
export class FaultyObjects extends MemoryObjects {
  /** The next sync fails, and all later ones, as the contract wants it. */
  syncFails = false;
  /** There is no room for claims. */
  claimsFail = false;
  /** Bytes that all objects together may take. */
  bytesMax = Infinity;
  /** Bytes of all objects ever made. */
  bytesMade = 0;

  /** Bytes of the objects that there are. */
  get bytes(): number {
    return [...this.content.values()].reduce((sum, { length }) => sum + length, 0);
  }

  override create(name: string, bytes: Uint8Array): void {
    const isTooMuch = this.bytesMax < Infinity && this.bytes + bytes.length > this.bytesMax;
    if (isTooMuch || this.claimsFail && name.startsWith("writer-")) throw full(this.name);
    super.create(name, bytes);
    this.bytesMade += bytes.length;
  }

  /** Space left, as a filesystem says it. */
  room(): MediumRoom {
    if (this.bytesMax === Infinity) return { freeBytes: GIB, totalBytes: GIB };
    return { freeBytes: this.bytesMax - this.bytes, totalBytes: this.bytesMax };
  }

  override sync(): void {
    if (!this.syncFails) return super.sync();
    throw new VaultError("unavailable", `Cannot sync "${this.name}": injected`, { errno: "EIO" });
  }
}
