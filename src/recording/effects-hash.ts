import { createHash } from "node:crypto";
import type { Effect } from "../core/effects.ts";

/** Text waiting to be hashed, in characters: hashing in large pieces is several times faster. */
const PENDING_CHARACTERS_MAX = 16_384;

/**
 * SHA-256 over the effects of every event, in order, one line of JSON an event. Two runs with
 * the same hash made the same decisions at the same events.
 */
export class EffectsHash {
  readonly #hash = createHash("sha256");
  #pending = "";
  #effects = 0;

  /** Effects added so far. */
  get effects(): number {
    return this.#effects;
  }

  add(effects: readonly Effect[]): void {
    this.#effects += effects.length;
    this.#pending += `${JSON.stringify(effects)}\n`;
    if (this.#pending.length < PENDING_CHARACTERS_MAX) return;
    this.#hash.update(this.#pending);
    this.#pending = "";
  }

  /** The hash in hexadecimal; nothing can be added afterwards. */
  digest(): string {
    return this.#hash.update(this.#pending).digest("hex");
  }
}
