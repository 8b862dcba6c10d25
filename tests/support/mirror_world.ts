/** Mirrors of stores in memory that fail on demand. */
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import type { MirrorPolicy } from "../../core/objects/mirror_members.ts";
import { MirrorStore } from "../../core/objects/mirror_store.ts";
import { VaultError } from "../../core/errors.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { FaultyStore } from "./faulty_store.ts";

/** A member: what it really has, and what the mirror sees of it. */
export interface MirroredMember {
  readonly memory: MemoryObjectStore;
  readonly faulty: FaultyStore;
}

/** Members, and mirrors of them, each as another process has it. */
export interface MirrorWorld {
  readonly members: readonly MirroredMember[];
  readonly store: MirrorStore;
  /** With a number, of a process that is killed after so many calls: the last one is done, and nothing comes back. */
  open(callsMax?: number): MirrorStore;
  /** Time passes. It also does so by a millisecond whenever somebody looks at the clock. */
  pass(milliseconds: number): void;
}

/** Empty members and a mirror of them. */
export function mirrorWorld(
  count: number,
  { write = "quorum", read = "first" }: Partial<MirrorPolicy> = {},
  timeLimitMs?: number,
): MirrorWorld {
  let time = Math.floor(systemRuntime.now());
  const now = () => time++;
  const members = Array.from({ length: count }, (_, i) => {
    const memory = new MemoryObjectStore({ now, name: `member ${i}` });
    return { memory, faulty: new FaultyStore(memory) };
  });
  const runtime = { now, random: systemRuntime.random };
  const open = (callsMax?: number) => {
    const seen = members.map(({ faulty }) => faulty);
    const stores = callsMax === undefined ? seen : killedAfter(callsMax, seen);
    return new MirrorStore(stores, { write, read, runtime, timeLimitMs });
  };
  return { members, open, store: open(), pass: (milliseconds) => void (time += milliseconds) };
}

function killedAfter(callsMax: number, stores: readonly FaultyStore[]): FaultyStore[] {
  let left = callsMax;
  const die = () => {
    if (left <= 0) throw new VaultError("unavailable", "Cannot reach it: whoever asks was killed");
  };
  return stores.map((store) => {
    const own = new FaultyStore(store);
    own.around = {
      before() {
        die();
        left--;
      },
      after: die,
    };
    return own;
  });
}
