import { toCoreConfig } from "../../../src/config/core-config.ts";
import { parseConfig } from "../../../src/config/load.ts";
import { costOf, type Price } from "../../../src/core/budget/money.ts";
import { Random } from "../../../src/core/random.ts";
import { type Micros, seconds } from "../../../src/core/units.ts";
import { engineProfile } from "../../../src/simulator/engine-profiles/index.ts";
import { runExperiment } from "../../../src/simulator/lab/run-experiment.ts";
import type { Workload, WorkloadRequest } from "../../../src/simulator/workloads/workload.ts";

export const ENGINE = engineProfile("h100-llama-3.1-8b");
export const ENDPOINTS = 2;
/** The ceiling that every client names. */
export const MAX_TOKENS = 1_024;
/** Of these the worst case fits into the budget at the same time. */
export const WORST_CASES = 10;
/** Relative standard deviation of the duration of a step. */
const STEP_NOISE = 0.03;
const TENANT = "fan-out";

/** A token of output costs four times one of the prompt, as it does with most who sell them. */
const PRICE: Price = { input: 250_000_000, cachedInput: 250_000_000, output: 1_000_000_000, request: 0 };

/** How much of an answer is held at once. */
export const PACKETS = {
  credit: toCoreConfig(parseConfig("", { path: "defaults" })).packetTokens,
  worstCase: MAX_TOKENS,
};

/** Who asks, and what is limited. */
export interface PacketsRun {
  /** In the trace's order; each is used from its lengths only. */
  requests: readonly WorkloadRequest[];
  /** They come at random within so long: 0 for all in one instant. */
  withinUs: Micros;
  /** How long each would rather wait for its budget than be refused; nobody who is refused comes back. */
  budgetWaitUs: Micros;
  unit: "output_tokens" | "usd";
  seed: number;
}

/** What became of the streams. */
export interface PacketsOutcome {
  /** With all of their answer. */
  completed: number;
  /** At the budget's edge, with a part of it. */
  cut: number;
  refused: number;
  /** Mean from arrival to the end, of those that were completed. */
  meanSeconds: number;
}

/** The same arrivals under the same budget for the day, with so many tokens held at once. Throws where a checker objects. */
export function runPackets(run: PacketsRun, packetTokens: number): PacketsOutcome {
  const { unit, seed } = run;
  const { violations, requests } = runExperiment({
    seed,
    workload: workloadOf(run),
    fleet: [{ profile: ENGINE, count: ENDPOINTS }],
    stepNoise: STEP_NOISE,
    config: { packetTokens, defaultPrice: PRICE },
    limits: [{ account: `global/${TENANT}`, unit, window: "day", amount: `${budgetOf(run)}` }],
  });
  const [violation] = violations;
  if (violation !== undefined) throw new Error(`${violation.checker}: ${violation.message}`);
  const answered = requests.filter(({ outcome }) => outcome === "completed");
  const whole = answered.filter(({ outputTokens, request }) => outputTokens === request.outputTokens);
  const refused = requests.filter(
    ({ error }) => error === "budget_exhausted" || error === "budget_insufficient",
  );
  if (answered.length + refused.length !== requests.length) throw new Error("a stream ended in another way");
  const tookUs = whole.reduce((sum, { arrivedUs, endUs }) => sum + endUs - arrivedUs, 0);
  return {
    completed: whole.length,
    cut: answered.length - whole.length,
    refused: refused.length,
    meanSeconds: tookUs / whole.length / seconds(1),
  };
}

/** What the first ten could come to. */
function budgetOf({ requests, unit }: PacketsRun): number {
  if (unit === "output_tokens") return WORST_CASES * MAX_TOKENS;
  return requests.slice(0, WORST_CASES).reduce((sum, { promptTokens }) => {
    return sum + costOf(PRICE, { promptTokens, cachedTokens: 0, completionTokens: MAX_TOKENS }, 0);
  }, 0);
}

function workloadOf({ requests, withinUs, budgetWaitUs, seed }: PacketsRun): Workload {
  const random = new Random(seed);
  const arrivals = requests.map(() => Math.round(random.fraction() * withinUs)).sort((a, b) => a - b);
  return {
    name: "fan-out",
    source: "",
    blockTokens: 512,
    requests: requests.map((request, i) => {
      const outputTokens = Math.min(request.outputTokens, MAX_TOKENS);
      const asked = { tenant: TENANT, maxTokens: MAX_TOKENS, budgetWaitUs };
      return { ...request, ...asked, outputTokens, atUs: arrivals[i]! };
    }),
  };
}
