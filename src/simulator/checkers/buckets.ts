import type { AdmissionConfig, Rate } from "../../core/config.ts";
import type { Micros } from "../../core/units.ts";

/** A request, in parts of which `perSecond` × 1,000 come in each microsecond. */
const PARTS = 1_000_000_000n;

interface Bucket {
  parts: bigint;
  atUs: Micros;
}

/** What may be a name of a rate that a request counts with. */
export function namesOf(model: string, payers: readonly string[]): string[] {
  return [`model ${model}`, ...payers.map((payer) => `payer ${payer}`)];
}

/** Token buckets once more, in whole numbers: as many requests as a rate allows come in, and no more. */
export class Buckets {
  readonly #buckets = new Map<string, Bucket>();
  #rates: Record<string, Rate>;

  constructor(admission: Pick<AdmissionConfig, "rates" | "payerRates">) {
    this.#rates = ratesOf(admission);
  }

  /** A bucket stays as full as it is where its rate does. */
  setRates(admission: Pick<AdmissionConfig, "rates" | "payerRates">): void {
    const rates = ratesOf(admission);
    for (const name of this.#buckets.keys()) {
      if (JSON.stringify(rates[name]) !== JSON.stringify(this.#rates[name])) this.#buckets.delete(name);
    }
    this.#rates = rates;
  }

  /** Takes a request out of all the buckets that there are of those names; false when one of them has none. */
  take(names: readonly string[], nowUs: Micros): boolean {
    const limited = names.filter((name) => this.#rates[name] !== undefined);
    const filled = limited.map((name) => ({ name, parts: this.#partsOf(name, nowUs) }));
    const mayPass = filled.every(({ parts }) => parts >= PARTS);
    for (const { name, parts } of filled) {
      this.#buckets.set(name, { parts: mayPass ? parts - PARTS : parts, atUs: nowUs });
    }
    return mayPass;
  }

  #partsOf(name: string, nowUs: Micros): bigint {
    const { perSecond, burst } = this.#rates[name]!;
    const full = BigInt(burst) * PARTS;
    const bucket = this.#buckets.get(name) ?? { parts: full, atUs: nowUs };
    const gained = BigInt(nowUs - bucket.atUs) * BigInt(Math.round(perSecond * 1_000));
    return bucket.parts + gained < full ? bucket.parts + gained : full;
  }
}

/** By a name that begins with whose it is, a model's or a payer's. */
function ratesOf({ rates, payerRates }: Pick<AdmissionConfig, "rates" | "payerRates">): Record<string, Rate> {
  const models = Object.entries(rates).map(([name, rate]) => [`model ${name}`, rate] as const);
  const payers = Object.entries(payerRates).map(([name, rate]) => [`payer ${name}`, rate] as const);
  return Object.fromEntries([...models, ...payers]);
}
