import { pathOf } from "../core/budget/paths.ts";
import type { ZoneRules } from "../core/budget/calendar.ts";
import { LIMIT_UNITS, type LimitRow, type LimitUnit, type Threshold } from "../core/budget/limits.ts";
import type { Price, PriceFrom, Rates } from "../core/budget/money.ts";
import type { CoreConfig } from "../core/config.ts";
import type { Random } from "../core/random.ts";
import { type Micros, seconds } from "../core/units.ts";
import type { Load } from "./scenario.ts";

export interface Payer {
  tenant: string;
  key: string | null;
  account?: string;
}

/** Those who send requests: with a key, or from the same machine without one. */
export const PAYERS: readonly Payer[] = [
  { tenant: "local", key: null },
  { tenant: "red", key: "a" },
  { tenant: "red", key: "b" },
  { tenant: "blue", key: "a" },
  // A key below a project, and what an agent of it spends below the key.
  { tenant: "blue", key: "c", account: "global/blue/research/c/agent" },
];

/** A place where clocks are changed while a world lasts, in some worlds at midnight. */
export const ZONE = "Somewhere/Else";

/** The account of whoever pays: its key's, even where it spends as an agent below that. */
export function accountOf({ tenant, key, account: own }: Payer): string {
  return own?.slice(0, own.lastIndexOf("/")) ?? ["global", tenant, ...(key === null ? [] : [key])].join("/");
}

const WINDOWS = [
  "total",
  "total",
  "day",
  "day",
  "minute",
  "hour",
  "month",
  `day@${ZONE}`,
  `week@${ZONE}`,
  "rolling:7",
  "rolling:600",
];

/** Every account that has limits in some world, and how many of the payers are below it. */
const ACCOUNTS: ReadonlyMap<string, number> = countPayers();

/** What a world that draws no prices takes. */
const FREE: Price = { input: 0, cachedInput: 0, output: 0, request: 0 };

/** Tokens of prompt above which some prices rise: two that prompts of most worlds reach. */
const LONG_PROMPTS = [15, 60];

/** Those that every world knows. */
const USUAL_UNITS = LIMIT_UNITS.filter((unit) => unit !== "gpu_seconds");

/** About what an answer takes of a worker with a GPU or two. */
const GPU_US_PER_REQUEST = 300_000;

/** Of what all payers of an account would use together, as much as a limit allows. */
const SHARES = [0.02, 0.1, 0.4, 1, 3];

/**
 * Prices from nothing to several USD for a million tokens, some with tiers, some that change at an instant; and now and
 * then a model that has none, or none yet.
 */
export function drawPrices(
  random: Random,
  { changesUs }: { changesUs: Micros },
): Pick<CoreConfig, "prices" | "defaultPrice"> {
  const draw = (): Price | PriceFrom[] => {
    const price = drawPrice(random);
    if (random.chance(0.7)) return price;
    const next = { fromUs: changesUs, price: drawPrice(random) };
    return random.chance(0.8) ? [{ fromUs: 0, price }, next] : [next];
  };
  const prices: CoreConfig["prices"] = { small: draw(), rented: draw() };
  if (random.chance(0.9)) prices["large"] = draw();
  return { prices, defaultPrice: random.chance(0.7) ? drawPrice(random) : null };
}

function drawPrice(random: Random): Price {
  const rates = drawRates(random);
  const hasTiers = random.chance(0.3);
  const longContext = hasTiers
    ? LONG_PROMPTS.map((aboveTokens, i) => ({ aboveTokens, ...dearer(rates, i + 2) }))
    : null;
  return {
    ...rates,
    request: random.pick([0, 0, random.between(1, 1_000_000)]),
    ...(longContext === null ? {} : { longContext }),
    ...(random.chance(0.3) ? { batch: cheaper(rates) } : {}),
  };
}

function drawRates(random: Random): Rates {
  const input = random.pick([0, 3, random.between(1, 3_000_000_000)]);
  const output = input * random.pick([1, 4]) + random.between(0, 1_000);
  return {
    input,
    cachedInput: Math.floor(input * random.pick([0, 0.1, 1])),
    output,
    ...(random.chance(0.4) ? { reasoning: Math.floor(output * random.pick([0, 0.5, 3])) } : {}),
  };
}

function dearer({ input, cachedInput, output, reasoning = output }: Rates, factor: number): Rates {
  return {
    input: input * factor,
    cachedInput: cachedInput * factor,
    output: output * factor,
    reasoning: reasoning * factor,
  };
}

function cheaper({ input, cachedInput, output }: Rates): Rates {
  return {
    input: Math.floor(input / 2),
    cachedInput: Math.floor(cachedInput / 2),
    output: Math.floor(output / 2),
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

/** Of the time on GPUs: one or two in most worlds that have any. */
export function drawGpuLimits(
  random: Random,
  world: { load: Load; prices: CoreConfig["prices"] },
): LimitRow[] {
  const accounts = Array.from({ length: random.pick([0, 1, 1, 2]) }, () => random.pick([...ACCOUNTS.keys()]));
  return accounts.map((account) => drawLimit(random, { ...world, account, units: ["gpu_seconds"] }));
}

function drawLimit(
  random: Random,
  {
    load,
    prices,
    account,
    units = USUAL_UNITS,
  }: { load: Load; prices: CoreConfig["prices"]; account: string; units?: readonly LimitUnit[] },
): LimitRow {
  const unit = random.pick(units);
  const share = (random.pick(SHARES) * ACCOUNTS.get(account)!) / PAYERS.length;
  const amount = Math.ceil(usePerRequest(unit, load, prices) * load.requests * share);
  const thresholds = random.chance(0.3) ? [drawThreshold(random)] : [];
  return { account, unit, window: random.pick(WINDOWS), amount: `${amount}`, thresholds };
}

function drawThreshold(random: Random): Threshold {
  const action = random.pick(["notify", "stop", "hold_low_priority", "shorten"] as const);
  const priority = action === "hold_low_priority" ? random.pick(["high", "normal"]) : null;
  const shortened = action === "shorten" ? { maxTokens: random.between(1, 64) } : {};
  return { percent: random.between(1, 100), action, priority, ...shortened };
}

/** Its midnight is that of the world, or up to an hour off, and its clocks are changed by an hour around then. */
export function drawZone(random: Random, { changesUs }: { changesUs: Micros }): ZoneRules {
  const aheadUs = seconds(random.pick([0, 0, 1_800, -3_600]));
  const changed = {
    fromUs: changesUs + seconds(random.between(-30, 30)),
    aheadUs: aheadUs + seconds(random.pick([3_600, -3_600])),
  };
  return { zone: ZONE, offsets: [{ fromUs: 0, aheadUs }, changed] };
}

/** What a request comes to on average, in the limit's unit. */
export function usePerRequest(unit: LimitUnit, load: Load, prices: CoreConfig["prices"]): number {
  const inputTokens = load.promptTokensMax / 2;
  const outputTokens = load.answerTokensMean;
  switch (unit) {
    case "usd": {
      const { input, output, request } = firstOf(prices["small"]);
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
    case "gpu_seconds":
      return GPU_US_PER_REQUEST;
  }
}

function firstOf(price: Price | PriceFrom[] | undefined): Price {
  return (Array.isArray(price) ? price[0]?.price : price) ?? FREE;
}

function countPayers(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { tenant, key, account: own } of PAYERS) {
    for (const account of pathOf(own ?? ["global", tenant, ...(key === null ? [] : [key])].join("/"))) {
      counts.set(account, (counts.get(account) ?? 0) + 1);
    }
  }
  return counts;
}
