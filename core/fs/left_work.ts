import { AssertionError } from "../assert.ts";

interface Work {
  work(): void;
  readonly failed?: (error: unknown) => void;
}

/**
 * What a change leaves to be done when its caller has been answered: who changes one thing after the other then goes on at the same
 * time. Nothing else happens in between, so nobody can tell but by the clock. Outside of an answer nothing is left.
 */
export class LeftWork {
  #isOpen = false;
  #works: Work[] = [];
  /** Told of each one that fails. */
  onFailure: (error: unknown) => void = () => {};

  /** Whoever answers calls `finish` at once when he has. */
  open(): void {
    this.#isOpen = true;
  }

  /** Does it now, or leaves it; `failed` is told what then goes wrong, since its caller was told that it is done. */
  do(work: () => void, failed?: (error: unknown) => void): void {
    if (this.#isOpen) this.#works.push({ work, failed });
    else work();
  }

  /** Does what is left, in order. One that fails stops none of the others. */
  settle(): void {
    if (this.#works.length === 0) return;
    const works = this.#works;
    this.#works = [];
    const failures: unknown[] = [];
    for (const { work, failed } of works) {
      try {
        work();
      } catch (error) {
        this.onFailure(error);
        failed?.(error);
        failures.push(error);
      }
    }
    if (failures.length === 0) return;
    throw failures.find((error) => error instanceof AssertionError) ?? failures[0];
  }

  /** Nothing is left any more. */
  finish(): void {
    this.#isOpen = false;
    this.settle();
  }
}
