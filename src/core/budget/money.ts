import type { TokenUsage } from "../vocabulary.ts";

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

/** What a variant costs: nano-USD for a million tokens of each kind, and for each request. */
export interface Price {
  input: NanoUsd;
  /** Of prompt tokens that were found in a cache; not above `input`. */
  cachedInput: NanoUsd;
  output: NanoUsd;
  request: NanoUsd;
}

/**
 * The price of that use, rounded up once. It grows with each kind of token and never shrinks, so the
 * price of a worst case covers whatever is used within it; cached tokens are not above the price of
 * others, so the worst case has none.
 */
export function costOf(price: Price, usage: TokenUsage, requests: number): NanoUsd {
  const cached = Math.min(usage.cachedTokens, usage.promptTokens);
  const tokens =
    BigInt(usage.promptTokens - cached) * BigInt(price.input) +
    BigInt(cached) * BigInt(price.cachedInput) +
    BigInt(usage.completionTokens) * BigInt(price.output);
  const cost = Number((tokens + TOKENS_PER_PRICE - 1n) / TOKENS_PER_PRICE) + requests * price.request;
  return Math.min(cost, NANO_USD_MAX);
}

/** Nano-USD from an amount of USD as people write it, such as `5`, `0.05` or `1e-7`; null when it is none, or finer than a nano-USD. */
export function parseUsd(text: string): bigint | null {
  const match = /^(\d+)(?:\.(\d+))?(?:e([+-]?\d{1,2}))?$/i.exec(text.trim());
  if (match === null) return null;
  const [, whole = "", fraction = "", exponent = "0"] = match;
  const shift = USD_DECIMALS - fraction.length + Number(exponent);
  const digits = BigInt(whole + fraction);
  if (shift >= 0) return digits * 10n ** BigInt(shift);
  const unit = 10n ** BigInt(-shift);
  return digits % unit === 0n ? digits / unit : null;
}

/** USD as a decimal without needless zeros: 1_500_000n is `0.0015`. */
export function formatUsd(nanoUsd: bigint): string {
  const sign = nanoUsd < 0n ? "-" : "";
  const digits = (nanoUsd < 0n ? -nanoUsd : nanoUsd).toString().padStart(USD_DECIMALS + 1, "0");
  const fraction = digits.slice(-USD_DECIMALS).replace(/0+$/, "");
  return `${sign}${digits.slice(0, -USD_DECIMALS)}${fraction === "" ? "" : `.${fraction}`}`;
}
