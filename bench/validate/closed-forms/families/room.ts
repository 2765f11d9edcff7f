import analytic from "../analytic.json" with { type: "json" };
import type { Case } from "../case.ts";
import { combineLevels, levelRuns } from "../levels.ts";

const LOSS_MILLIONS = 6;
const CORE_MILLIONS = 3;
const LEVELS_MILLIONS = 60;
/** From this much room on, being full is found by stretches of levels. */
const LARGE_ROOM = 50;

/** Systems that turn arrivals away: Erlang's without a line, and M/M/1/K, whose room the core's queue keeps. */
export function roomCases(): Case[] {
  return [
    ...analytic.MMc_c_ErlangB_loss.map(({ c, a, B }): Case => ({
      what: `M/M/${c}/${c} a=${a}`,
      note: "lean line",
      checks: lost(B),
      requests: (LOSS_MILLIONS * 1e6) / 20,
      runs: (seed, requests) => [
        {
          station: "line",
          options: { seed, through: "lean", servers: c, rates: [a], law: "exponential", requests, room: c },
        },
      ],
    })),
    ...analytic.MM1K.map(({ rho, K, P_block }): Case => {
      const levels = { servers: 1, rate: rho, room: K };
      const isLarge = K >= LARGE_ROOM;
      return {
        what: `M/M/1/${K} ρ=${rho}`,
        note: isLarge ? "lean line, by stretches of levels" : "core queue (its limit) and placement",
        checks: lost(P_block),
        requests: ((isLarge ? LEVELS_MILLIONS : CORE_MILLIONS) * 1e6) / 20,
        runs: (seed, requests) =>
          isLarge
            ? levelRuns({ ...levels, requests }, seed)
            : [
                {
                  station: "line",
                  options: {
                    seed,
                    through: "core",
                    servers: 1,
                    rates: [rho],
                    law: "exponential",
                    requests,
                    room: K,
                  },
                },
              ],
        ...(isLarge ? { combine: (outcomes) => combineLevels(outcomes, levels) } : {}),
      };
    }),
  ];
}

function lost(expected: number): Case["checks"] {
  return [{ figure: "lost", what: "P(lost)", expected }];
}
