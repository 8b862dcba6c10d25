import { NONCE_BYTES } from "../limits.ts";
import type { Runtime } from "../runtime.ts";

const POOL_BYTES = 2730 * NONCE_BYTES;

/**
 * Fresh nonces: 192 random bits each, so that no two seals under one key ever share one (the chance for 2^64
 * seals is 2^-65), whatever a crash, a copied image or a second writer does. `refill` at each commit takes new
 * bytes from the system, so a resumed virtual machine does not go on with old ones for long.
 */
export class Nonces {
  private readonly runtime: Runtime;
  private readonly pool = new Uint8Array(POOL_BYTES);
  private at = POOL_BYTES;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  /** Copies a nonce to `into[at…]`; it is never given again. */
  take(into: Uint8Array, at: number): void {
    if (this.at >= POOL_BYTES) this.refill();
    into.set(this.pool.subarray(this.at, this.at + NONCE_BYTES), at);
    this.at += NONCE_BYTES;
  }

  /** Replaces what is left by new random bytes. */
  refill(): void {
    this.runtime.random(this.pool);
    this.at = 0;
  }
}
