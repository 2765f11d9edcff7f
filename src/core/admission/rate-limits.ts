import type { AdmissionConfig } from "../config.ts";
import type { HeadgateError } from "../errors.ts";
import type { RequestArrived } from "../events.ts";
import { keyOf } from "../queueing/flow-of.ts";
import { MICROS_PER_SECOND, type Micros } from "../units.ts";
import { Rates } from "./rates.ts";

/** What a request counts with: the rates of its model and of those who send it. */
export interface Counted {
  model: string;
  /** By the names that rates are set for. */
  payers: readonly string[];
}

/** Whose rate has no room; null for that of the model. */
export interface RateShortage {
  whose: string | null;
  waitUs: Micros;
}

/** The rates of models, tenants and keys: a request counts with all of them, or with none. */
export class RateLimits {
  readonly #models: Rates;
  readonly #payers: Rates;

  constructor({ rates, payerRates }: Pick<AdmissionConfig, "rates" | "payerRates">) {
    this.#models = new Rates(rates);
    this.#payers = new Rates(payerRates);
  }

  /** Buckets of rates that stay keep what is in them. */
  reconfigure({ rates, payerRates }: Pick<AdmissionConfig, "rates" | "payerRates">): void {
    this.#models.reconfigure(rates);
    this.#payers.reconfigure(payerRates);
  }

  /** What of it has a rate that the request counts with; null where nothing has, as mostly. */
  counted({ tenant, key }: Pick<RequestArrived, "tenant" | "key">, model: string): Counted | null {
    const payers = this.#payers.isEmpty ? [] : payersOf(tenant, key).filter((name) => this.#payers.has(name));
    return payers.length > 0 || this.#models.has(model) ? { model, payers } : null;
  }

  /** Takes a request out of each bucket, or out of none: then it says of the one that needs the longest. */
  take({ model, payers }: Counted, nowUs: Micros): RateShortage | null {
    let short: RateShortage = { whose: null, waitUs: this.#models.waitUs(model, nowUs) };
    for (const whose of payers) {
      const waitUs = this.#payers.waitUs(whose, nowUs);
      if (waitUs > short.waitUs) short = { whose, waitUs };
    }
    if (short.waitUs > 0) return short;
    this.#models.take(model, nowUs);
    for (const payer of payers) this.#payers.take(payer, nowUs);
    return null;
  }
}

export function rateError({ whose, waitUs }: RateShortage, model: string): HeadgateError {
  const message = `More requests come than the rate of ${whose ?? quoted(model)} allows.`;
  return { code: "rate_limited", message, retryAfterSeconds: Math.ceil(waitUs / MICROS_PER_SECOND) };
}

function payersOf(tenant: string, key: string | null): string[] {
  return key === null ? [tenant] : [tenant, keyOf(tenant, key)];
}

/** A name from outside, cut to a readable length. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}
