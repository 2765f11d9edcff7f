import type { LineStationOptions } from "../../stations/line-station.ts";
import analytic from "../analytic.json" with { type: "json" };
import type { Case, Check } from "../case.ts";
import { combineLevels, levelRuns } from "../levels.ts";

/** Millions of requests of all seeds that bring the half-widths below 2 %, by servers: the longer a run remembers, the more. */
const MILLIONS: Readonly<Record<number, Readonly<Record<number, number>>>> = {
  1: { 0.5: 3, 0.7: 5, 0.8: 17, 0.9: 38, 0.95: 310 },
  2: { 0.5: 4, 0.7: 11, 0.8: 29, 0.9: 75, 0.95: 580 },
  4: { 0.5: 7, 0.7: 13, 0.8: 16, 0.9: 65, 0.95: 350 },
  8: { 0.5: 28, 0.7: 15, 0.8: 22, 0.9: 85, 0.95: 520 },
  16: { 0.5: 40, 0.7: 32, 0.8: 31, 0.9: 88, 0.95: 310 },
  64: { 0.5: 250, 0.7: 250, 0.8: 170, 0.9: 95, 0.95: 410 },
};
/** Below this share of requests that wait, waiting is not waited for. */
const RARE = 0.01;
/** Through the core a request takes some 7 µs, which is too long for the rest. */
const CORE_MILLIONS: Readonly<Record<number, Readonly<Record<number, number>>>> = {
  1: { 0.5: 0.4, 0.7: 1, 0.8: 2.5 },
  2: { 0.5: 2, 0.7: 2.5, 0.8: 3 },
  4: { 0.7: 3.4, 0.8: 3.5 },
  8: { 0.8: 6 },
};

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
    return [leanCase(c, rho, [...means, whole]), ...coreCases(c, rho, means)];
  });
  return [...one, ...many];
}

function leanCase(servers: number, rho: number, checks: readonly Check[]): Case {
  const requests = millionsOf(MILLIONS, servers, rho)! * 1e6;
  return lineCase({ what: nameOf(servers, rho), through: "lean", servers, rho, checks, requests });
}

function coreCases(servers: number, rho: number, checks: readonly Check[]): Case[] {
  const millions = millionsOf(CORE_MILLIONS, servers, rho);
  if (millions === undefined) return [];
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
    requests: (millionsOf(MILLIONS, servers, rho)! * 1e6) / SEEDS_OF_SIZE,
    note: "lean line, by stretches of levels",
    runs: (seed, requests) => levelRuns({ ...levels, requests }, seed),
    combine: (outcomes) => combineLevels(outcomes, levels),
  };
}

/** Sizes here are those of all seeds together. */
const SEEDS_OF_SIZE = 20;

function millionsOf(table: typeof MILLIONS, servers: number, rho: number): number | undefined {
  return table[servers]?.[rho];
}

function nameOf(servers: number, rho: number): string {
  return `M/M/${servers} ρ=${rho}`;
}

function check(figure: string, what: string, expected: number): Check {
  return { figure, what, expected };
}
