import type { Price, PriceFrom, Rates, TieredRates } from "../../core/budget/money.ts";
import type { CoreConfig } from "../../core/config.ts";
import { resolveModel } from "../../core/planning/plan.ts";
import type { Micros } from "../../core/units.ts";
import type { TokenUsage } from "../../core/vocabulary.ts";

/** Prices once more, in another way than the core has them. */

const MILLION = 1_000_000n;

/** What the model costs a request that arrives then; null when it can't be served. */
export function priceInForce(name: string, config: CoreConfig, arrivedUs: Micros): Price | null {
  const own = config.prices[resolveModel(name, config.aliases)] ?? [];
  const dated: PriceFrom[] = Array.isArray(own) ? own : [{ fromUs: 0, price: own }];
  const begun = dated.filter(({ fromUs }) => arrivedUs >= fromUs).sort((a, b) => b.fromUs - a.fromUs);
  return begun[0]?.price ?? config.defaultPrice;
}

/** The price of tokens in nano-USD, rounded up once, for a request whose whole prompt has `promptTokens`. */
export function priced(price: Price, usage: TokenUsage, promptTokens: number): number {
  const { cachedTokens, completionTokens, reasoningTokens = 0, isBatch = false } = usage;
  const rates = ratesOf(price, { promptTokens, isBatch });
  const cached = Math.min(cachedTokens, usage.promptTokens);
  const kinds: [tokens: number, rate: number][] = [
    [cached, rates.cachedInput],
    [usage.promptTokens - cached, rates.input],
    [reasoningTokens, rates.reasoning ?? rates.output],
    [completionTokens - reasoningTokens, rates.output],
  ];
  const exact = kinds.reduce((sum, [tokens, rate]) => sum + BigInt(tokens) * BigInt(rate), 0n);
  const whole = exact / MILLION;
  return Number(whole * MILLION === exact ? whole : whole + 1n);
}

/** The most that so many tokens can come to, whatever is said of their kinds in the end. */
export function pricedAtMost(price: Price, promptTokens: number, completionTokens: number): number {
  const rest = { promptTokens, cachedTokens: 0, completionTokens };
  const said = priced(price, rest, promptTokens);
  return Math.max(said, priced(price, { ...rest, reasoningTokens: completionTokens }, promptTokens));
}

function ratesOf(price: Price, { promptTokens, isBatch }: { promptTokens: number; isBatch: boolean }): Rates {
  const usual = tierOf(price, promptTokens);
  if (!isBatch || price.batch === undefined) return usual ?? price;
  const { batch } = price;
  const saysNothing = usual !== null && batch.longContext === undefined;
  return saysNothing ? usual : (tierOf(batch, promptTokens) ?? batch);
}

function tierOf({ longContext = [] }: TieredRates, promptTokens: number): Rates | null {
  let found: Rates | null = null;
  for (const tier of longContext) if (tier.aboveTokens < promptTokens) found = tier;
  return found;
}
