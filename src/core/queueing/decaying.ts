import type { Micros } from "../units.ts";

/** Amounts that lose half of themselves every so often. */
export class Decaying<Key extends object> {
  readonly #halfLifeUs: Micros;
  readonly #amounts = new WeakMap<Key, { amount: number; atUs: Micros }>();

  constructor(halfLifeUs: Micros) {
    this.#halfLifeUs = halfLifeUs;
  }

  of(key: Key, nowUs: Micros): number {
    const known = this.#amounts.get(key);
    return known === undefined ? 0 : known.amount * 2 ** ((known.atUs - nowUs) / this.#halfLifeUs);
  }

  add(key: Key, amount: number, nowUs: Micros): void {
    this.#amounts.set(key, { amount: this.of(key, nowUs) + amount, atUs: nowUs });
  }
}
