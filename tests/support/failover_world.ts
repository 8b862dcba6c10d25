import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { FailoverStore } from "../../core/objects/failover_store.ts";
import { FaultyStore } from "./faulty_store.ts";

/** A primary in memory and so many others, which fail on demand; clocks go on by a millisecond with each look. */
export function failoverWorld(fallbacks = 1, choose: "first" | "balanced" = "first") {
  let now = Date.now();
  const clock = () => now++;
  const stores = Array.from({ length: fallbacks + 1 }, () => {
    const memory = new MemoryObjectStore({ now: clock });
    return { memory, faulty: new FaultyStore(memory) };
  });
  const [primary, ...others] = stores;
  const open = (timeLimitMs?: number) =>
    new FailoverStore(primary.faulty, others.map(({ faulty }) => faulty), {
      now: clock,
      timeLimitMs,
      choose,
    });
  return { primary, others, open, store: open(), pass: (ms: number) => now += ms };
}
