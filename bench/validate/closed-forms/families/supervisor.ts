import type { LawName } from "../../stations/law.ts";
import analytic from "../analytic.json" with { type: "json" };
import type { Case, Check } from "../case.ts";

/** Of all seeds. A request takes some 0.2 ms through all of it, so what needs millions of them is left to other stations. */
const THOUSANDS = { MM1: 220, MM4: 40, MD1: 100, pathOnly: 10 };
const SEEDS = 20;
const RHO = 0.5;

/**
 * How far a request's time may be from that in the recursion which defines the system, on average, in mean service times.
 * Messages and the ledger take some hundred-thousandths, and what that delays one by, all behind it wait.
 */
const APART: Check = { figure: "apart", what: "off the recursion", expected: 0.001, isBound: true };

/**
 * The same through clients, ledger, queue, placement and engines: a few means by themselves, and of all of them that requests
 * take as long as theory has it, so that it is the system whose figures the other stations have.
 */
export function supervisorCases(): Case[] {
  const { mean_T, mean_N } = figuresAt(analytic.MM1, ({ rho }) => rho === RHO);
  const four = figuresAt(analytic.MMc, ({ c, rho }) => c === 4 && rho === RHO);
  const fixed = figuresAt(analytic.MD1, ({ rho }) => rho === RHO);
  const { l1, l2 } = analytic.MM1_two_class_nonpreemptive_priority[0]!;
  return [
    wholeCase(`M/M/1 ρ=${RHO}`, {
      rates: [RHO],
      thousands: THOUSANDS.MM1,
      checks: [check("T", mean_T), check("N", mean_N)],
    }),
    wholeCase(`M/M/4 ρ=${RHO}`, {
      servers: 4,
      rates: [4 * RHO],
      thousands: THOUSANDS.MM4,
      checks: [check("T", four.mean_T)],
    }),
    wholeCase(`M/D/1 ρ=${RHO}`, {
      law: "constant",
      rates: [RHO],
      thousands: THOUSANDS.MD1,
      checks: [check("T", fixed.mean_T)],
    }),
    wholeCase("M/G/1 hyperexp. c²=4 ρ=0.8", { law: "hyperexponential", rates: [0.8] }),
    wholeCase("M/M/8 ρ=0.9", { servers: 8, rates: [7.2] }),
    wholeCase(`two bands λ=${l1}+${l2}`, { rates: [l1, l2] }),
  ];
}

function wholeCase(
  system: string,
  options: {
    servers?: number;
    rates: readonly number[];
    law?: LawName;
    thousands?: number;
    checks?: readonly Check[];
  },
): Case {
  const { servers = 1, rates, law = "exponential", thousands = THOUSANDS.pathOnly, checks = [] } = options;
  return {
    what: `${system}, whole supervisor`,
    note: "clients, supervisor, engines",
    checks: [...checks, APART],
    requests: (thousands * 1e3) / SEEDS,
    runs: (seed, requests) => [{ station: "supervisor", options: { seed, servers, rates, law, requests } }],
  };
}

function figuresAt<T>(figures: readonly T[], is: (figure: T) => boolean): T {
  return figures.find(is)!;
}

function check(figure: "T" | "N", expected: number): Check {
  return { figure, what: `E[${figure}]`, expected };
}
