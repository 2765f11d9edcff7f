import type { Rate } from "../config.ts";
import type { Micros } from "../units.ts";

/** A request in units of which `perSecond` × 1,000 come in each microsecond. */
const REQUEST = 1_000_000_000;

/**
 * Token buckets by name: each holds up to `burst` requests, and gets `perSecond` more. Everything is counted in whole
 * numbers, rates to a thousandth of a request a second, so no error adds up however often it is asked.
 */
export class Rates {
  #rates: Record<string, Rate>;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rates: Record<string, Rate>) {
    this.#rates = rates;
  }

  get isEmpty(): boolean {
    for (const _ in this.#rates) return false;
    return true;
  }

  has(name: string): boolean {
    return this.#rateOf(name) !== null;
  }

  /** Other rates from now on; buckets of those that stay keep what is in them. */
  reconfigure(rates: Record<string, Rate>): void {
    for (const name of this.#buckets.keys()) {
      const { perSecond, burst } = this.#rates[name]!;
      const now = Object.hasOwn(rates, name) ? rates[name] : undefined;
      if (now?.perSecond !== perSecond || now.burst !== burst) this.#buckets.delete(name);
    }
    this.#rates = rates;
  }

  /** 0 where the bucket of that name has a request, or there is none; else how long it will be until it does. */
  waitUs(name: string, nowUs: Micros): Micros {
    const rate = this.#rateOf(name);
    if (rate === null) return 0;
    const { level } = this.#fill(name, rate, nowUs);
    return level >= REQUEST ? 0 : Math.ceil((REQUEST - level) / perMicroOf(rate));
  }

  /** Takes a request out of it, which has to be there. */
  take(name: string, nowUs: Micros): void {
    const rate = this.#rateOf(name);
    if (rate !== null) this.#fill(name, rate, nowUs).level -= REQUEST;
  }

  #rateOf(name: string): Rate | null {
    return Object.hasOwn(this.#rates, name) ? this.#rates[name]! : null;
  }

  #fill(name: string, rate: Rate, nowUs: Micros): Bucket {
    const full = rate.burst * REQUEST;
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) this.#buckets.set(name, (bucket = { level: full, atUs: nowUs }));
    bucket.level = Math.min(full, bucket.level + (nowUs - bucket.atUs) * perMicroOf(rate));
    bucket.atUs = nowUs;
    return bucket;
  }
}

interface Bucket {
  level: number;
  atUs: Micros;
}

function perMicroOf({ perSecond }: Rate): number {
  return Math.max(1, Math.round(perSecond * 1_000));
}
