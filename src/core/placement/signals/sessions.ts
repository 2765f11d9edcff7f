import type { Endpoint } from "../../fleet/endpoint.ts";
import type { Micros } from "../../units.ts";
import { UseOrder } from "./use-order.ts";

/** Where a session's KV cache is thought to be. */
export interface SessionPlace {
  readonly session: string;
  readonly endpoint: Endpoint;
  /** Which life of the endpoint it was. */
  readonly life: number;
  /** Tokens of prompt and answer that it holds; 0 until the first prompt was read. */
  tokens: number;
  readonly usedUs: Micros;
}

/** The place each session was last sent to: `max` sessions at most, the least recently used forgotten first. */
export class Sessions {
  readonly #max: number;
  readonly #ttlUs: Micros;
  readonly #slots = new Map<string, number>();
  readonly #order = new UseOrder();
  /** By slot. */
  readonly #places: (SessionPlace | null)[] = [];

  constructor({ max, ttlUs }: { max: number; ttlUs: Micros }) {
    this.#max = max;
    this.#ttlUs = ttlUs;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Null for a session that is not known, or whose endpoint has lost its memory since. */
  find(session: string, nowUs: Micros): SessionPlace | null {
    const place = this.#placeOf(session);
    if (place === null || place.life !== place.endpoint.load.life) return null;
    return nowUs - place.usedUs <= this.#ttlUs ? place : null;
  }

  /** The session's next request goes there. What another endpoint holds of it is soon out of date. */
  sent(session: string, endpoint: Endpoint, nowUs: Micros): void {
    const before = this.find(session, nowUs);
    const tokens = before?.endpoint === endpoint ? before.tokens : 0;
    const slot = this.#slotFor(session);
    this.#places[slot] = { session, endpoint, life: endpoint.load.life, tokens, usedUs: nowUs };
  }

  /** Its endpoint holds so many tokens of it now, unless it has moved on. */
  holds(session: string, endpoint: Endpoint, tokens: number): void {
    const place = this.#placeOf(session);
    if (place?.endpoint === endpoint) place.tokens = tokens;
  }

  /** Its endpoint failed it. */
  left(session: string, endpoint: Endpoint): void {
    const slot = this.#slots.get(session);
    if (slot !== undefined && this.#places[slot]?.endpoint === endpoint) this.#drop(session, slot);
  }

  #placeOf(session: string): SessionPlace | null {
    const slot = this.#slots.get(session);
    return slot === undefined ? null : this.#places[slot]!;
  }

  #slotFor(session: string): number {
    const known = this.#slots.get(session);
    if (known !== undefined) {
      this.#order.use(known);
      return known;
    }
    if (this.size >= this.#max) {
      const oldest = this.#order.oldest;
      this.#drop(this.#places[oldest]!.session, oldest);
    }
    const slot = this.#order.add();
    this.#slots.set(session, slot);
    return slot;
  }

  #drop(session: string, slot: number): void {
    this.#slots.delete(session);
    this.#order.remove(slot);
    this.#places[slot] = null;
  }
}
