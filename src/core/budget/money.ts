import type { Micros } from "../units.ts";
import type { TokenUsage } from "../vocabulary.ts";
import { formatDecimal, parseDecimal } from "./decimals.ts";

/**
 * Money is a whole number of nano-USD. What one packet costs is a safe integer, at most a million
 * USD; sums of many are BigInt, so that a billion USD is still exact to the last nano-USD.
 */
export type NanoUsd = number;

/** No packet is charged more, whatever anybody says it has used. */
const NANO_USD_MAX: NanoUsd = 1e15;

export const NANO_PER_USD = 1_000_000_000n;
const USD_DECIMALS = 9;
const TOKENS_PER_PRICE = 1_000_000n;

/** Nano-USD for a million tokens of each kind. */
export interface Rates {
  input: NanoUsd;
  /** Of prompt tokens that were found in a cache; not above `input`. */
  cachedInput: NanoUsd;
  output: NanoUsd;
  /** Of generated tokens that were thought and not said; as `output` if absent. */
  reasoning?: NanoUsd;
}

/** Rates, and other ones for long prompts. */
export interface TieredRates extends Rates {
  /**
   * For all tokens of a request whose prompt is longer than `aboveTokens`: the last one that applies. In rising order,
   * and in nothing cheaper than what comes before, so that a longer prompt never costs less.
   */
  longContext?: readonly (Rates & { aboveTokens: number })[];
}

/** What a variant costs. */
export interface Price extends TieredRates {
  /** For each request, whatever its length. */
  request: NanoUsd;
  /** What an endpoint takes that says it has done the work in its batch tier: in nothing dearer. As any other if absent. */
  batch?: TieredRates;
}

/** A price from an instant on. */
export interface PriceFrom {
  fromUs: Micros;
  price: Price;
}

/** The last of them in force at that instant, whatever their order; null before the first. */
export function priceAt(prices: readonly PriceFrom[], atUs: Micros): Price | null {
  let found: PriceFrom | null = null;
  for (const each of prices) {
    if (each.fromUs <= atUs && (found === null || each.fromUs >= found.fromUs)) found = each;
  }
  return found?.price ?? null;
}

/**
 * The price as it is for requests with so long a prompt, without tiers for others. Where it is a long one, and nothing says
 * what that costs in a batch, it costs there what it does elsewhere.
 */
export function forPromptOf(price: Price, promptTokens: number): Price {
  const { request, batch, longContext } = price;
  if (longContext === undefined && batch?.longContext === undefined) return price;
  const rates = { ...ratesFor(price, promptTokens), request };
  const isLong = longContext?.some(({ aboveTokens }) => promptTokens > aboveTokens) === true;
  if (batch === undefined || (isLong && batch.longContext === undefined)) return rates;
  return { ...rates, batch: ratesFor(batch, promptTokens) };
}

function ratesFor(tiered: TieredRates, promptTokens: number): Rates {
  const tier = tiered.longContext?.findLast(({ aboveTokens }) => promptTokens > aboveTokens);
  const { input, cachedInput, output, reasoning = output } = tier ?? tiered;
  return { input, cachedInput, output, reasoning };
}

/**
 * The price of that use, rounded up once. It grows with each kind of token and never shrinks; with
 * `worstUsage` it covers whatever is used within it.
 */
export function costOf(price: Price, usage: TokenUsage, requests: number): NanoUsd {
  const flat = forPromptOf(price, usage.promptTokens);
  const rates = usage.isBatch === true ? (flat.batch ?? flat) : flat;
  const cached = Math.min(usage.cachedTokens, usage.promptTokens);
  const reasoning = Math.min(usage.reasoningTokens ?? 0, usage.completionTokens);
  const tokens =
    BigInt(usage.promptTokens - cached) * BigInt(rates.input) +
    BigInt(cached) * BigInt(rates.cachedInput) +
    BigInt(usage.completionTokens - reasoning) * BigInt(rates.output) +
    BigInt(reasoning) * BigInt(rates.reasoning ?? rates.output);
  const cost = Number((tokens + TOKENS_PER_PRICE - 1n) / TOKENS_PER_PRICE) + requests * price.request;
  return Math.min(cost, NANO_USD_MAX);
}

/** Of all uses with at most so many tokens, the dearest: nothing found in a cache, and all that is generated of the dearer kind. */
export function worstUsage(
  price: Price,
  { promptTokens, completionTokens }: Pick<TokenUsage, "promptTokens" | "completionTokens">,
): TokenUsage {
  const { output, reasoning = output } = forPromptOf(price, promptTokens);
  const reasoningTokens = reasoning > output ? completionTokens : 0;
  return { promptTokens, cachedTokens: 0, completionTokens, reasoningTokens };
}

/** Nano-USD from an amount of USD as people write it, such as `5`, `0.05` or `1e-7`; null when it is none, or finer than a nano-USD. */
export function parseUsd(text: string): bigint | null {
  return parseDecimal(text, USD_DECIMALS);
}

/** USD as a decimal without needless zeros: 1_500_000n is `0.0015`. */
export function formatUsd(nanoUsd: bigint): string {
  return formatDecimal(nanoUsd, USD_DECIMALS);
}
