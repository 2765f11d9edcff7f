import { LARGE, type LawName, SMALL } from "../../stations/law.ts";
import { processorSharingTime } from "../../../../src/simulator/queueing-theory/single-server.ts";
import analytic from "../analytic.json" with { type: "json" };
import type { Case, Check } from "../case.ts";

/** Millions of requests of all seeds, by load. */
const CONSTANT_MILLIONS: Readonly<Record<number, number>> = { 0.5: 0.2, 0.7: 0.4, 0.8: 1, 0.9: 4, 0.95: 14 };
const HYPER_MILLIONS: Readonly<Record<number, number>> = { 0.5: 2.5, 0.7: 5, 0.8: 6, 0.9: 18 };
const SHARING_MILLIONS: Readonly<Record<number, number>> = { 0.5: 2, 0.7: 4, 0.8: 12, 0.9: 30, 0.95: 170 };

/** One server and any law of service: first come first served, or shared evenly. */
export function oneServerCases(): Case[] {
  return [
    ...analytic.MD1.map(({ rho, mean_T }) =>
      inOrder("M/D/1", "constant", { rho, millions: CONSTANT_MILLIONS[rho]!, checks: [meanTime(mean_T)] }),
    ),
    ...analytic.MG1_FCFS_PK_hyperexp_cv2_4.map(({ rho, mean_W, mean_T }) => {
      const checks = [{ figure: "W", what: "E[W]", expected: mean_W }, meanTime(mean_T)];
      return inOrder("M/G/1 hyperexp. c²=4", "hyperexponential", {
        rho,
        millions: HYPER_MILLIONS[rho]!,
        checks,
      });
    }),
    ...analytic.MG1_PS_insensitive.map(({ rho, mean_T }) => shared("exponential", rho, [meanTime(mean_T)])),
    // Whatever the law: a job takes its size over 1 − ρ.
    ...analytic.MG1_PS_insensitive.filter(({ rho }) => rho <= 0.9).map(({ rho, mean_T }) =>
      shared("two sizes", rho, [
        meanTime(mean_T),
        { figure: "T_small", what: `E[T | ${SMALL}]`, expected: processorSharingTime(rho, SMALL) },
        { figure: "T_large", what: `E[T | ${LARGE}]`, expected: processorSharingTime(rho, LARGE) },
      ]),
    ),
  ];
}

function inOrder(
  system: string,
  law: LawName,
  { rho, millions, checks }: { rho: number; millions: number; checks: readonly Check[] },
): Case {
  return {
    what: `${system} ρ=${rho}`,
    note: "lean line",
    checks,
    requests: (millions * 1e6) / 20,
    runs: (seed, requests) => [
      { station: "line", options: { seed, through: "lean", servers: 1, rates: [rho], law, requests } },
    ],
  };
}

function shared(law: LawName, rho: number, checks: readonly Check[]): Case {
  return {
    what: `M/G/1 shared, ${law}, ρ=${rho}`,
    note: "sharing server",
    checks,
    requests: (SHARING_MILLIONS[rho]! * 1e6) / 20,
    runs: (seed, requests) => [{ station: "sharing", options: { seed, rate: rho, law, requests } }],
  };
}

function meanTime(expected: number): Check {
  return { figure: "T", what: "E[T]", expected };
}
