import type { AdmissionConfig } from "../config.ts";
import type { Micros } from "../units.ts";

/** A request in units of which `perSecond` × 1,000 come in each microsecond. */
const REQUEST = 1_000_000_000;

/**
 * Token buckets by model: each holds up to `burst` requests, and gets `perSecond` more. Everything is counted in whole
 * numbers, rates to a thousandth of a request a second, so no error adds up however often it is asked.
 */
export class Rates {
  #rates: AdmissionConfig["rates"];
  readonly #buckets = new Map<string, Bucket>();

  constructor(rates: AdmissionConfig["rates"]) {
    this.#rates = rates;
  }

  /** Other rates from now on; buckets of those that stay keep what is in them. */
  reconfigure(rates: AdmissionConfig["rates"]): void {
    for (const model of this.#buckets.keys()) {
      const { perSecond, burst } = this.#rates[model]!;
      const now = Object.hasOwn(rates, model) ? rates[model] : undefined;
      if (now?.perSecond !== perSecond || now.burst !== burst) this.#buckets.delete(model);
    }
    this.#rates = rates;
  }

  /** Takes a request out of the model's bucket. Returns 0, or how long to wait until there is one. */
  take(model: string, nowUs: Micros): Micros {
    if (!Object.hasOwn(this.#rates, model)) return 0;
    const { perSecond, burst } = this.#rates[model]!;
    const perMicro = Math.max(1, Math.round(perSecond * 1_000));
    let bucket = this.#buckets.get(model);
    if (bucket === undefined) this.#buckets.set(model, (bucket = { level: burst * REQUEST, atUs: nowUs }));
    bucket.level = Math.min(burst * REQUEST, bucket.level + (nowUs - bucket.atUs) * perMicro);
    bucket.atUs = nowUs;
    if (bucket.level < REQUEST) return Math.ceil((REQUEST - bucket.level) / perMicro);
    bucket.level -= REQUEST;
    return 0;
  }
}

interface Bucket {
  level: number;
  atUs: Micros;
}
