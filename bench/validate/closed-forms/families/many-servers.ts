import type { LineStationOptions } from "../../stations/line-station.ts";
import analytic from "../analytic.json" with { type: "json" };
import type { Case, Check } from "../case.ts";
import { combineLevels, levelRuns } from "../levels.ts";

/** Millions of requests that bring the half-widths below 2 %, by load: the more there is, the longer a run remembers. */
const MILLIONS: Readonly<Record<number, number>> = { 0.5: 14, 0.7: 24, 0.8: 50, 0.9: 180, 0.95: 640 };
/** So few wait that the means of those who do need more. */
const RARE_MILLIONS = 100;
const MOST_MILLIONS = 700;
/** Below this share of requests that wait, waiting is not waited for. */
const RARE = 0.01;
/** Through the core a request takes some 7 µs. */
const CORE_MILLIONS: Readonly<Record<number, number>> = { 0.5: 2, 0.7: 4, 0.8: 10 };
const CORE_SERVERS: readonly number[] = [2, 4, 8, 16];

/** M/M/1 and M/M/c, first come first served. */
export function manyServerCases(): Case[] {
  const one = analytic.MM1.flatMap(({ rho, mean_T, mean_N, T_p50, T_p99 }) => {
    const means = [check("T", "E[T]", mean_T), check("N", "E[N]", mean_N)];
    const lean = [...means, check("T_p50", "T p50", T_p50), check("T_p99", "T p99", T_p99)];
    return [leanCase(1, rho, lean), ...coreCases(1, rho, means)];
  });
  const many = analytic.MMc.flatMap(({ c, rho, P_wait, mean_W, mean_T, W_p99 }) => {
    const means = [check("wait", "P(wait)", P_wait), check("W", "E[W]", mean_W), check("T", "E[T]", mean_T)];
    const whole =
      W_p99 > 0 ? check("W_p99", "W p99", W_p99) : { ...check("W_p99", "W p99", 0), isBound: true };
    if (P_wait < RARE) return [rareCase(c, rho, [...means, whole])];
    return [
      leanCase(c, rho, [...means, whole]),
      ...(CORE_SERVERS.includes(c) ? coreCases(c, rho, means) : []),
    ];
  });
  return [...one, ...many];
}

function leanCase(servers: number, rho: number, checks: readonly Check[]): Case {
  // The rarer it is to wait, the fewer requests tell how long.
  const rarity = 1 + servers / 24;
  const requests = Math.min(MOST_MILLIONS, MILLIONS[rho]! * (rho < 0.85 ? rarity : 1)) * 1e6;
  return lineCase({ what: nameOf(servers, rho), through: "lean", servers, rho, checks, requests });
}

function coreCases(servers: number, rho: number, checks: readonly Check[]): Case[] {
  const millions = CORE_MILLIONS[rho];
  // Most of what waits at a light load of many servers is too rare for so few requests.
  if (millions === undefined || (servers > 4 && rho < 0.7)) return [];
  const requests = millions * 1e6;
  return [lineCase({ what: nameOf(servers, rho), through: "core", servers, rho, checks, requests })];
}

function lineCase(options: {
  what: string;
  through: LineStationOptions["through"];
  servers: number;
  rho: number;
  checks: readonly Check[];
  requests: number;
}): Case {
  const { what, through, servers, rho, checks, requests } = options;
  return {
    what,
    checks,
    requests: requests / SEEDS_OF_SIZE,
    note: through === "core" ? "core queue and placement" : "lean line",
    runs: (seed, count) => [
      {
        station: "line",
        options: { seed, through, servers, rates: [rho * servers], law: "exponential", requests: count },
      },
    ],
  };
}

function rareCase(servers: number, rho: number, checks: readonly Check[]): Case {
  const levels = { servers, rate: rho * servers, room: Infinity };
  return {
    what: nameOf(servers, rho),
    checks,
    requests: (RARE_MILLIONS * 1e6) / SEEDS_OF_SIZE,
    note: "lean line, by stretches of levels",
    runs: (seed, requests) => levelRuns({ ...levels, requests }, seed),
    combine: (outcomes) => combineLevels(outcomes, levels),
  };
}

/** Sizes here are those of all seeds together. */
const SEEDS_OF_SIZE = 20;

function nameOf(servers: number, rho: number): string {
  return `M/M/${servers} ρ=${rho}`;
}

function check(figure: string, what: string, expected: number): Check {
  return { figure, what, expected };
}
