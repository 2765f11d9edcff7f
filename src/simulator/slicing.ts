import { type Charge, isNothing, NOTHING } from "../core/budget/charge.ts";
import { LIMIT_UNITS, type LimitRow, type LimitUnit } from "../core/budget/limits.ts";
import type { CoreConfig } from "../core/config.ts";
import type { Random } from "../core/random.ts";
import { type Micros, seconds } from "../core/units.ts";
import { accountOf, type Payer, PAYERS, usePerRequest } from "./money.ts";
import type { Load, Scenario } from "./scenario.ts";

/** What agents in a world do about slices of their budgets. */
export interface SlicesSpec {
  /** Of their own chance. */
  seed: number;
  /** Those who pay and are agents, by their place in `PAYERS`. */
  payers: readonly number[];
  /** Slices that each opens by itself, at most. */
  opensMax: number;
  /** Share of their requests that name a sub-account. */
  share: number;
  /** Of which one is drawn for each slice; null for none that is named. */
  ttlsUs: readonly (Micros | null)[];
  /** What a request comes to on average. */
  request: Charge;
}

const PARTS = ["nanoUsd", "requests", "inputTokens", "outputTokens"] as const;

/** How many requests a slice is for: none, a few, or more than there are. */
const SIZES = [0.01, 0.5, 3, 10, 20, 40, 100];

/** How much of a slice goes to another inside it; some ask for more than there is. */
const SHARES = [0.1, 0.3, 0.6, 0.6, 1, 1.5];

/** One world in three has agents with slices. They are drawn last, so that others are as they would be without. */
export function withSlices(scenario: Scenario, random: Random): Scenario {
  if (!random.chance(1 / 3)) return scenario;
  const { config, load, limits } = scenario;
  const use = { load, prices: config.prices };
  const slices = drawSlices(random, use);
  const bounds = {
    openMax: random.pick([3, 10, 30]),
    perPayerMax: random.pick([2, 10]),
    depthMax: random.pick([1, 3, 3]),
    ttlMaxUs: seconds(60),
  };
  const more = PAYERS.filter(() => random.chance(0.4)).map((payer) => drawLimit(random, payer, use));
  return { ...scenario, slices, limits: [...limits, ...more], config: { ...config, slices: bounds } };
}

interface Use {
  load: Load;
  prices: CoreConfig["prices"];
}

function drawSlices(random: Random, { load, prices }: Use): SlicesSpec {
  const perRequest = (unit: LimitUnit): number => usePerRequest(unit, load, prices);
  return {
    seed: random.between(0, 2 ** 32 - 1),
    payers: PAYERS.map((_, index) => index).filter(() => random.chance(0.6)),
    opensMax: random.pick([3, 6, 12]),
    share: random.pick([0.5, 0.8, 1]),
    ttlsUs: random.pick([
      [0.3, 1, 4, 20].map(seconds),
      [1, 20, 60, 60].map(seconds),
      [null, null, seconds(60), seconds(2), seconds(61)],
    ]),
    request: {
      ...NOTHING,
      nanoUsd: perRequest("usd"),
      requests: 1,
      inputTokens: perRequest("input_tokens"),
      outputTokens: perRequest("output_tokens"),
    },
  };
}

/** One that is reached now and then, in a window that ends soon: slices were held in it when they were opened, and are drawn on later. */
function drawLimit(random: Random, payer: Payer, { load, prices }: Use): LimitRow {
  const unit = random.pick([...LIMIT_UNITS, "usd", "usd"] as const);
  const spanSeconds = random.pick([7, 7, 60]);
  const window = spanSeconds === 60 ? "minute" : "rolling:7";
  const arriving = seconds(spanSeconds) / load.meanGapUs / PAYERS.length;
  const requests = Math.max(4, arriving) * random.pick([0.5, 1, 2]);
  const amount = Math.ceil(usePerRequest(unit, load, prices) * requests);
  return { account: accountOf(payer), unit, window, amount: `${amount}` };
}

/** Of one part at least, and of each a multiple of what a request takes. */
export function drawAmounts(random: Random, request: Charge): Charge {
  const drawn = inParts((part) => {
    return random.chance(part === "nanoUsd" ? 0.6 : 0.3) ? request[part] * random.pick(SIZES) : 0;
  });
  return isNothing(drawn) ? inParts((part) => (part === "requests" ? random.pick(SIZES) : 0)) : drawn;
}

/** A part of what another slice has, and now and then of what that one has nothing of. */
export function drawShare(random: Random, outer: Charge, request: Charge): Charge {
  const drawn = inParts((part) => {
    if (outer[part] === 0) return random.chance(0.1) ? request[part] * random.pick(SIZES) : 0;
    return random.chance(0.8) ? outer[part] * random.pick(SHARES) : 0;
  });
  return isNothing(drawn) ? outer : drawn;
}

function inParts(amount: (part: (typeof PARTS)[number]) => number): Charge {
  const charge = { ...NOTHING };
  for (const part of PARTS) {
    const drawn = amount(part);
    charge[part] = drawn === 0 ? 0 : Math.max(1, Math.round(drawn));
  }
  return charge;
}
