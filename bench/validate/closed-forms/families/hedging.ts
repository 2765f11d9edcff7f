import analytic from "../analytic.json" with { type: "json" };
import { exponentialTail, tailQuantile } from "../../../../src/simulator/queueing-theory/hedging.ts";
import type { StationRun } from "../../stations/run.ts";
import type { Case, Check } from "../case.ts";

const PER_SEED = 400_000;
/** The far end of a Pareto law is seen rarely. */
const HEAVY_PER_SEED = 4_000_000;
const FAN_OUT_PER_SEED = 20_000;
const PARTS = 100;

type Hedging = Extract<StationRun, { station: "hedging" }>["options"];

/** Second copies, and answers that wait for the last of many parts. */
export function hedgingCases(): Case[] {
  const {
    hedged_after_p95_exp: exp,
    "pareto_1.5_hedge_p95": pareto,
    fanout100_p_slow_1pct,
  } = analytic.hedging;
  const never = { delay: Infinity } as const;
  return [
    hedged("two copies at once", { law: "exponential", delay: 0 }, [
      { figure: "T", what: "E[T]", expected: 0.5 },
      { figure: "T_p99", what: "T p99", expected: Math.log(100) / 2 },
    ]),
    hedged(
      "exponential, no second copy",
      { law: "exponential", ...never },
      quantiles(exp.unhedged_p99, exp.unhedged_p999),
    ),
    hedged("exponential, hedged after p95", { law: "exponential", delay: exp.delay }, [
      { figure: "extra", what: "extra load", expected: exp.extra_load },
      ...quantiles(exp.p99, exp.p999),
    ]),
    {
      ...hedged(
        "Pareto 1.5, no second copy",
        { law: "pareto", ...never },
        quantiles(null, pareto.unhedged_p999),
      ),
      requests: HEAVY_PER_SEED,
    },
    hedged(
      "Pareto 1.5, hedged after p95",
      { law: "pareto", delay: pareto.delay },
      quantiles(null, pareto.hedged_p999),
    ),
    {
      what: `${PARTS} parts of which 1 % are slow`,
      note: "fan-out",
      checks: [{ figure: "slow", what: "P(slow)", expected: fanout100_p_slow_1pct }],
      requests: FAN_OUT_PER_SEED,
      runs: (seed, requests) => [
        {
          station: "fan-out",
          options: { seed, parts: PARTS, slowSeconds: tailQuantile(exponentialTail, 0.99), requests },
        },
      ],
    },
  ];
}

function hedged(what: string, options: Pick<Hedging, "law" | "delay">, checks: readonly Check[]): Case {
  return {
    what,
    note: "virtual time",
    checks,
    requests: PER_SEED,
    runs: (seed, requests) => [{ station: "hedging", options: { ...options, seed, requests } }],
  };
}

function quantiles(p99: number | null, p999: number): Check[] {
  const rare = { figure: "T_p999", what: "T p99.9", expected: p999 };
  return p99 === null ? [rare] : [{ figure: "T_p99", what: "T p99", expected: p99 }, rare];
}
