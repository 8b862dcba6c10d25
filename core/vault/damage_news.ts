import type { DamageEvent, DamageObserver } from "../block/damage.ts";

/** Findings that are named; more are counted only. */
const NAMED_MAX = 3;

/** Collects what redundancy has made good, to be told in one line now and then. */
export class DamageNews {
  #repaired = 0;
  #left = 0;
  #names: string[] = [];

  /** Takes note of one finding. */
  readonly onDamage: DamageObserver = (event) => {
    if (event.repaired) this.#repaired++;
    else this.#left++;
    if (this.#names.length < NAMED_MAX) this.#names.push(nameOf(event));
  };

  /** What was found since this was asked last, in words; null where nothing was. */
  take(): string | null {
    const [repaired, left, names] = [this.#repaired, this.#left, this.#names];
    if (repaired + left === 0) return null;
    [this.#repaired, this.#left, this.#names] = [0, 0, []];
    const more = repaired + left - names.length;
    const which = names.join(", ") + (more > 0 ? ` and ${more} more` : "");
    if (left === 0) return `repaired what the medium had damaged: ${which}`;
    const done = repaired > 0 ? `${repaired} repaired, ` : "";
    return `read around damage on the medium: ${which}; ${done}${left} not repaired ` +
      `(read-only, or no room); run "sigmavault scrub"`;
  }
}

function nameOf({ what, id, bad }: DamageEvent): string {
  const places = bad === 1 ? "1 copy or shard" : `${bad} copies or shards`;
  return `${what === "block" ? `block ${id}` : `a node of the ${what}`} (${places})`;
}
