/** Whether what several did to one path at once could have been done one after the other. */

/** A change of the path by somebody. */
export interface RegisterChange {
  /** What it puts there; null: it deletes. */
  readonly value: string | null;
  /** What must be there for it to take place (null: nothing); undefined: whatever is. */
  readonly expects?: string | null;
  /** When it began and ended, on one clock that never stands still. */
  readonly began: number;
  readonly ended: number;
  /** It was acknowledged; else it may have been done, then or later, or never. */
  readonly isSure: boolean;
}

/** True where there is an order of the changes, in which each takes place between its begin and end, that ends with `last`. */
export function isPossible(changes: readonly RegisterChange[], last: string | null): boolean {
  const go = (state: string | null, left: readonly RegisterChange[]): boolean => {
    if (state === last && left.every(({ isSure }) => !isSure)) return true;
    // One that ended before another began comes before it.
    const firstEnd = Math.min(...left.map(({ ended, isSure }) => isSure ? ended : Infinity));
    return left.some((each) => {
      if (each.began > firstEnd) return false;
      if (each.expects !== undefined && each.expects !== state) return false;
      return go(each.value, left.filter((other) => other !== each));
    });
  };
  return go(null, changes);
}
