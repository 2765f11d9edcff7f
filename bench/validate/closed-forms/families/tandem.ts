import analytic from "../analytic.json" with { type: "json" };
import type { Case } from "../case.ts";

const MILLIONS = 3.5;

/** Servers in a row, each with a line of its own. */
export function tandemCases(): Case[] {
  const { l: rate, mu: services, mean_T } = analytic.tandem_MM1;
  return [
    {
      what: `M/M/1 in a row, λ=${rate} μ=${services.join(", ")}`,
      note: "core queue and placement",
      checks: [{ figure: "T", what: "E[T]", expected: mean_T }],
      requests: (MILLIONS * 1e6) / 20,
      runs: (seed, requests) => [{ station: "tandem", options: { seed, rate, services, requests } }],
    },
  ];
}
