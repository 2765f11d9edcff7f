import analytic from "../analytic.json" with { type: "json" };
import type { ChoicesStationOptions } from "../../stations/choices-station.ts";
import type { Case, Check } from "../case.ts";

/** So many servers are nearly infinitely many: what is missing is of the order of 1/N. */
const MANY = 10_000;
/** Smaller shares of servers are too rare to be measured to 2 %. */
const SHARE_MIN = 0.1;

/**
 * With two choices, by the servers there are: figures of a simulation by those who gave the closed forms, without intervals, so they
 * are only held to 3 %. Both choices are free to be the same.
 */
const FEW_TOLERANCE = 0.03;
const FEW: readonly { servers: number; rate: number; T: number }[] = [
  { servers: 10, rate: 0.9, T: 3.084 },
  { servers: 100, rate: 0.9, T: 2.692 },
  { servers: 1_000, rate: 0.9, T: 2.626 },
  { servers: 100, rate: 0.99, T: 5.83 },
];

/** The shortest of d lines: `random` and `power-of-two` of the core's placement, and more choices than they have. */
export function choicesCases(): Case[] {
  return [
    ...analytic.power_of_d_meanfield.map(({ lam, d, mean_T, tail_s }) => {
      const tails = tail_s
        .map((share, i): Check => ({ figure: `s${i + 1}`, what: `s${i + 1}`, expected: share }))
        .filter(({ expected }) => expected >= SHARE_MIN);
      const checks = [{ figure: "T", what: "E[T]", expected: mean_T }, ...tails];
      const station = { servers: MANY, rate: lam, choices: d, mayRepeat: false, warmUpSeconds: 5 };
      return choicesCase({ ...station, through: "lean", seconds: d === 1 ? 45 : 60 }, checks);
    }),
    ...FEW.map(({ servers, rate, T }) => {
      const checks = [{ figure: "T", what: "E[T]", expected: T, tolerance: FEW_TOLERANCE }];
      const station = { servers, rate, choices: 2, mayRepeat: true, warmUpSeconds: 500 };
      const seconds = (rate > 0.95 ? 8e6 : 9e5) / servers;
      return choicesCase({ ...station, through: "lean", seconds }, checks);
    }),
    // Among so many it hardly matters that the core never draws the same endpoint twice.
    choicesCase(
      {
        servers: 100,
        rate: 0.9,
        choices: 2,
        mayRepeat: false,
        warmUpSeconds: 100,
        through: "core",
        seconds: 600,
      },
      [{ figure: "T", what: "E[T]", expected: FEW[1]!.T, tolerance: FEW_TOLERANCE }],
    ),
    choicesCase(
      {
        servers: 100,
        rate: 0.5,
        choices: 1,
        mayRepeat: false,
        warmUpSeconds: 100,
        through: "core",
        seconds: 1_200,
      },
      [{ figure: "T", what: "E[T]", expected: 1 / (1 - 0.5) }],
    ),
  ];
}

function choicesCase(options: Omit<ChoicesStationOptions, "seed">, checks: readonly Check[]): Case {
  const { servers, rate, choices, through, seconds } = options;
  return {
    what: `${choices} of ${servers} lines λ=${rate}`,
    note: through === "core" ? `core placement (${choices === 1 ? "random" : "power-of-two"})` : "lean lines",
    checks,
    requests: servers * rate * seconds,
    runs: (seed, requests) => [
      { station: "choices", options: { ...options, seed, seconds: requests / servers / rate } },
    ],
  };
}
