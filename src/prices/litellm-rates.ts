import { formatUsd, parseUsd } from "../core/budget/money.ts";
import type { CataloguePrice, CatalogueRates } from "./catalogue-price.ts";
import { parseRatio, roundedUp, times, whole } from "./ratio.ts";

/** An entry of LiteLLM's price file, with numbers as the text they are in the file. */
export type LiteLlmEntry = Readonly<Record<string, unknown>>;

/** Nano-USD for a million tokens, from USD for one. */
const NANO_PER_MILLION = 10n ** 15n;

/** Of what they stand for, the fields of the file. */
const FIELDS = {
  input: "input_cost_per_token",
  cached_input: "cache_read_input_token_cost",
  output: "output_cost_per_token",
  reasoning: "output_cost_per_reasoning_token",
} as const;
type RateName = keyof typeof FIELDS;
const RATE_NAMES = Object.keys(FIELDS) as RateName[];

const OLD_CACHED_INPUT = "input_cost_per_token_cache_hit";
const REQUEST = "input_cost_per_request";
const TIERS = "tiered_pricing";
const LONG_PROMPT = /(_above_(\d+)k_tokens)/;
/** What ends the names of prices for answers that come later. */
const LATER = ["_batches", "_flex"];

/** What is known of one kind of token; nano-USD for a million. */
type SomeRates = { [name in RateName]?: bigint | undefined };

/** An entry is read field by field; fields that nobody asked for are what could not be taken over. */
export class LiteLlmReader {
  readonly #entry: LiteLlmEntry;
  readonly #read = new Set<string>();
  /** What was changed on the way, in words. */
  readonly notes: string[] = [];

  constructor(entry: LiteLlmEntry) {
    this.#entry = entry;
  }

  /** Null where a token of prompt or answer has no price. Throws for one that is no number. */
  price(): CataloguePrice | null {
    const base = this.#rates(this.#entry, "");
    const oldCachedInput = this.#perMillion(this.#entry, OLD_CACHED_INPUT);
    base.cached_input ??= oldCachedInput;
    const tiers = new Map([...this.#tiers(""), ...this.#listedTiers()]);
    const first = tiers.get(0);
    tiers.delete(0);
    for (const name of RATE_NAMES) base[name] ??= first?.[name];
    if (base.input === undefined || base.output === undefined) return null;
    const request = this.#perMillion(this.#entry, REQUEST);
    const longContext = this.#rising(base, tiers);
    const batch = this.#batch();
    return {
      ...written(base),
      ...(longContext.length === 0 ? {} : { long_context: longContext }),
      ...(request === undefined
        ? {}
        : { request: formatUsd(roundedUp({ numerator: request, denominator: 1_000_000n })) }),
      ...(batch === null ? {} : { batch }),
    };
  }

  /** Fields about money that have not been read, and say anything. */
  unread(): string[] {
    return Object.entries(this.#entry)
      .filter(
        ([field, value]) =>
          /cost|_uplift_multiplier/.test(field) && !this.#read.has(field) && !isNothing(value),
      )
      .map(([field]) => field);
  }

  #rates(from: LiteLlmEntry, suffix: string): SomeRates {
    const rates: SomeRates = {};
    for (const name of RATE_NAMES) {
      const rate = this.#perMillion(from, `${FIELDS[name]}${suffix}`);
      if (rate !== undefined) rates[name] = rate;
    }
    return rates;
  }

  /** By the length of prompt above which they hold, in tokens. */
  #tiers(suffix: string): Map<number, SomeRates> {
    const tiers = new Map<number, SomeRates>();
    for (const field of Object.keys(this.#entry)) {
      const [, tier, thousands] = LONG_PROMPT.exec(field) ?? [];
      if (tier === undefined || tiers.has(Number(thousands) * 1_000)) continue;
      const rates = this.#rates(this.#entry, `${tier}${suffix}`);
      if (Object.keys(rates).length > 0) tiers.set(Number(thousands) * 1_000, rates);
    }
    return tiers;
  }

  #listedTiers(): Map<number, SomeRates> {
    const tiers = new Map<number, SomeRates>();
    const listed = this.#entry[TIERS];
    if (!Array.isArray(listed)) return tiers;
    this.#read.add(TIERS);
    for (const tier of listed as LiteLlmEntry[]) {
      const above = Number((tier["range"] as unknown[] | undefined)?.[0]);
      if (Number.isSafeInteger(above) && above >= 0) tiers.set(above, this.#rates(tier, ""));
      else this.notes.push(`a part of ${TIERS} does not say for which prompts it is`);
    }
    return tiers;
  }

  /** What a tier does not say is as in the one before, and nothing in it is cheaper than there. */
  #rising(
    base: SomeRates,
    tiers: ReadonlyMap<number, SomeRates>,
  ): NonNullable<CataloguePrice["long_context"]> {
    let before = base;
    return [...tiers.entries()]
      .toSorted(([a], [b]) => a - b)
      .map(([above, own]) => {
        const rates: SomeRates = {};
        for (const name of RATE_NAMES) {
          const rate = own[name] ?? before[name];
          const least = before[name] ?? 0n;
          if (rate === undefined) continue;
          if (rate < least)
            this.notes.push(`${name} above ${above} tokens raised to that of shorter prompts`);
          rates[name] = rate < least ? least : rate;
        }
        before = rates;
        return { above, ...written(rates) };
      });
  }

  /** The dearer of the two tiers that answer later; null where there is none. */
  #batch(): NonNullable<CataloguePrice["batch"]> | null {
    const [base, ...others] = LATER.map((suffix) => this.#rates(this.#entry, suffix));
    const rates = others.reduce(dearer, base!);
    const [tiers, ...otherTiers] = LATER.map((suffix) => this.#tiers(suffix));
    for (const [above, other] of otherTiers.flatMap((each) => [...each])) {
      tiers!.set(above, dearer(tiers!.get(above) ?? {}, other));
    }
    if (rates.input === undefined || rates.output === undefined) return null;
    const longContext = this.#rising(rates, tiers!);
    return { ...written(rates), ...(longContext.length === 0 ? {} : { long_context: longContext }) };
  }

  #perMillion(from: LiteLlmEntry, field: string): bigint | undefined {
    const value = from[field];
    if (value === undefined || value === null) return undefined;
    if (from === this.#entry) this.#read.add(field);
    const ratio = typeof value === "string" ? parseRatio(value) : null;
    if (ratio === null) throw new Error(`${field} is ${JSON.stringify(value)}, which is no price`);
    const exact = times(ratio, whole(NANO_PER_MILLION));
    const nanoUsd = roundedUp(exact);
    if (nanoUsd * exact.denominator !== exact.numerator) this.notes.push(`${field} rounded up`);
    return nanoUsd;
  }
}

/** Only those that differ from what they are when absent. */
function written({ input, cached_input, output, reasoning }: SomeRates): CatalogueRates {
  return {
    input: formatUsd(input!),
    ...(cached_input === undefined || cached_input === input
      ? {}
      : { cached_input: formatUsd(cached_input) }),
    output: formatUsd(output!),
    ...(reasoning === undefined || reasoning === output ? {} : { reasoning: formatUsd(reasoning) }),
  };
}

/** Of each kind of token the higher price. */
function dearer(a: SomeRates, b: SomeRates): SomeRates {
  const rates: SomeRates = {};
  for (const name of RATE_NAMES) {
    const [one, other] = [a[name], b[name]];
    const rate = one === undefined || (other !== undefined && other > one) ? other : one;
    if (rate !== undefined) rates[name] = rate;
  }
  return rates;
}

function isNothing(value: unknown): boolean {
  return value === null || (typeof value === "string" && parseUsd(value) === 0n);
}
