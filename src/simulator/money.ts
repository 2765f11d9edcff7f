import { pathOf } from "../core/budget/accounts.ts";
import { LIMIT_UNITS, LIMIT_WINDOWS, type LimitRow, type LimitUnit } from "../core/budget/limits.ts";
import type { Price } from "../core/budget/money.ts";
import type { CoreConfig } from "../core/config.ts";
import type { Random } from "../core/random.ts";
import type { Load } from "./scenario.ts";

/** Those who send requests: with a key, or from the same machine without one. */
export const PAYERS: readonly { tenant: string; key: string | null }[] = [
  { tenant: "local", key: null },
  { tenant: "red", key: "a" },
  { tenant: "red", key: "b" },
  { tenant: "blue", key: "a" },
];

/** Every account that has limits in some world, and how many of the payers are below it. */
const ACCOUNTS: ReadonlyMap<string, number> = countPayers();

/** What a world that draws no prices takes. */
const FREE: Price = { input: 0, cachedInput: 0, output: 0, request: 0 };

/** Of what all payers of an account would use together, as much as a limit allows. */
const SHARES = [0.02, 0.1, 0.4, 1, 3];

/** Prices from nothing to several USD for a million tokens, and now and then a model that has none. */
export function drawPrices(random: Random): Pick<CoreConfig, "prices" | "defaultPrice"> {
  const prices: Record<string, Price> = { small: drawPrice(random), rented: drawPrice(random) };
  if (random.chance(0.9)) prices["large"] = drawPrice(random);
  return { prices, defaultPrice: random.chance(0.7) ? drawPrice(random) : null };
}

function drawPrice(random: Random): Price {
  const input = random.pick([0, 3, random.between(1, 3_000_000_000)]);
  return {
    input,
    cachedInput: Math.floor(input * random.pick([0, 0.1, 1])),
    output: input * random.pick([1, 4]) + random.between(0, 1_000),
    request: random.pick([0, 0, random.between(1, 1_000_000)]),
  };
}

/** Limits that stand when the world begins; in many worlds there are none. */
export function drawLimits(random: Random, world: { load: Load; prices: CoreConfig["prices"] }): LimitRow[] {
  const rows: LimitRow[] = [];
  if (random.chance(0.4)) return rows;
  for (const account of ACCOUNTS.keys()) {
    for (let count = random.pick([0, 0, 0, 1, 2]); count > 0; count--) {
      rows.push(drawLimit(random, { ...world, account }));
    }
  }
  return rows;
}

/** What an operator sets in the middle of things: another limit, another amount for one there is, or none any more. */
export function drawLimitChange(
  random: Random,
  world: { load: Load; prices: CoreConfig["prices"]; limits: readonly LimitRow[] },
): LimitRow {
  if (world.limits.length === 0 || random.chance(0.3)) {
    return drawLimit(random, { ...world, account: random.pick([...ACCOUNTS.keys()]) });
  }
  const limit = random.pick(world.limits);
  if (random.chance(0.2)) return { ...limit, amount: null };
  const factor = random.pick([0, 0.5, 2, 10]);
  return { ...limit, amount: `${Math.floor(Number(limit.amount ?? 1_000) * factor)}` };
}

function drawLimit(
  random: Random,
  { load, prices, account }: { load: Load; prices: CoreConfig["prices"]; account: string },
): LimitRow {
  const unit = random.pick(LIMIT_UNITS);
  const share = (random.pick(SHARES) * ACCOUNTS.get(account)!) / PAYERS.length;
  const amount = Math.ceil(usePerRequest(unit, load, prices) * load.requests * share);
  return { account, unit, window: random.pick(LIMIT_WINDOWS), amount: `${amount}` };
}

/** What a request comes to on average, in the limit's unit. */
function usePerRequest(unit: LimitUnit, load: Load, prices: CoreConfig["prices"]): number {
  const inputTokens = load.promptTokensMax / 2;
  const outputTokens = load.answerTokensMean;
  switch (unit) {
    case "usd": {
      const { input, output, request } = prices["small"] ?? FREE;
      return (inputTokens * input + outputTokens * output) / 1e6 + request;
    }
    case "tokens":
      return inputTokens + outputTokens;
    case "input_tokens":
      return inputTokens;
    case "output_tokens":
      return outputTokens;
    case "requests":
      return 1;
  }
}

function countPayers(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { tenant, key } of PAYERS) {
    for (const account of pathOf(["global", tenant, ...(key === null ? [] : [key])].join("/"))) {
      counts.set(account, (counts.get(account) ?? 0) + 1);
    }
  }
  return counts;
}
