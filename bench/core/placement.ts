import type { ProfileConfig } from "../../src/core/config.ts";
import { type Hints, NO_HINTS } from "../../src/core/events.ts";
import { createProfile, SCORERS } from "../../src/core/placement/profile.ts";
import { Random } from "../../src/core/random.ts";
import { figure, type Figure, quantile } from "../figures.ts";
import { interleave } from "../interleave.ts";
import type { Size } from "../sizes.ts";
import { BenchFleet } from "./fleet.ts";
import { rateOf } from "./rate.ts";

const PROFILES = ["round-robin", "sessions-kv", "standard"];

/** Everything there is to reckon with: filters that are a matter of latency and labels, and every scorer. */
const ALL_SCORERS: ProfileConfig = {
  filters: ["context-length", "region", "sticky-until-saturated"].map((name) => ({ name, parameters: {} })),
  scorers: Object.keys(SCORERS).map((name) => ({ name, parameters: {}, weight: 1 })),
  picker: { name: "max-score", parameters: {} },
};

/** Conversations of 40 blocks, the first eight the same for all, as system prompts are. */
const CONVERSATIONS = 500;
const SHARED_BLOCKS = 8;
const CHAIN_BLOCKS = 40;

/** The 99th percentile of a decision is not to exceed this. */
const P99_US_MAX: Readonly<Record<number, number>> = { 10: 50, 1_000: 1_000 };
const US_PER_MS = 1_000;

/** Placements a second on fleets that each one changes, and how long one decision takes with all scorers on. */
export async function placementFigures({ rounds, core }: Size): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const workers of core.workers) {
    const rates = new Map(PROFILES.map((name) => [name, placer(name, workers)]));
    const measured = await interleave(rounds, PROFILES, async (name) =>
      rateOf(rates.get(name)!, core.measureMs),
    );
    figures.push(figure({ what: `placement among ${workers} workers`, unit: "1/s", rounds: measured }));
    figures.push(decisionFigure({ workers, rounds, measureMs: core.measureMs }));
  }
  return figures;
}

function placer(name: string, workers: number): () => void {
  const fleet = new BenchFleet({ profile: createProfile(name, { profiles: {} }), workers });
  fleet.warmUp(() => NO_HINTS);
  return () => fleet.settle(...fleet.decide(fleet.next(NO_HINTS)));
}

/** Every round's percentiles of the time that deciding takes, without what follows from the decision. */
export function decisionFigure(options: { workers: number; rounds: number; measureMs: number }): Figure {
  const { workers, rounds, measureMs } = options;
  const profile = createProfile("all", { profiles: { all: ALL_SCORERS } });
  const conversations = chains(new Random(workers));
  const fleet = new BenchFleet({ profile, workers }).warmUp((i) => conversations[i % CONVERSATIONS]!);
  const percentiles = { p50: [] as number[], p99: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const times: number[] = [];
    const endMs = performance.now() + measureMs;
    while (performance.now() < endMs) {
      const packet = fleet.next(conversations[times.length % CONVERSATIONS]!);
      const startMs = performance.now();
      const decision = fleet.decide(packet);
      times.push((performance.now() - startMs) * US_PER_MS);
      fleet.settle(...decision);
    }
    times.sort((a, b) => a - b);
    percentiles.p50.push(quantile(times, 0.5));
    percentiles.p99.push(quantile(times, 0.99));
  }
  const bound = P99_US_MAX[workers];
  return figure({
    what: `a decision among ${workers} workers, all scorers on`,
    unit: "µs",
    rounds: percentiles,
    verdict: {
      formula: "p99",
      of: ({ p99 }) => p99,
      aim: bound === undefined ? null : { at: "most", bound },
    },
  });
}

/** What requests of the conversations say of themselves. */
function chains(random: Random): Hints[] {
  const shared = Array.from({ length: SHARED_BLOCKS }, (_, i) => i + 1);
  return Array.from({ length: CONVERSATIONS }, (_, i) => ({
    ...NO_HINTS,
    session: `session-${i}`,
    labels: { region: "eu" },
    blocks: [
      ...shared,
      ...Array.from({ length: CHAIN_BLOCKS - SHARED_BLOCKS }, () => random.between(100, 2 ** 48)),
    ],
  }));
}
