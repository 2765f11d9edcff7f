import analytic from "../analytic.json" with { type: "json" };
import type { Case } from "../case.ts";
import { combineLevels, levelRuns } from "../levels.ts";

const LOSS_MILLIONS = 4;
/** Through the core: being full is rarest with much room and little load. */
const CORE_MILLIONS = 2;
const CORE_RARE_MILLIONS = 7;
const LEAN_MILLIONS = 60;
const LEVELS_MILLIONS = 400;
/** So much room is too much for so few requests as go through the core. */
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
      const named = { what: `M/M/1/${K} ρ=${rho}`, checks: lost(P_block) };
      if (K >= LARGE_ROOM && rho < 1) return byLevels(named, rho, K);
      const through = K >= LARGE_ROOM ? "lean" : "core";
      const coreMillions = rho < 1 && K > 5 ? CORE_RARE_MILLIONS : CORE_MILLIONS;
      return {
        ...named,
        note: through === "lean" ? "lean line" : "core queue (its limit) and placement",
        requests: ((through === "lean" ? LEAN_MILLIONS : coreMillions) * 1e6) / 20,
        runs: (seed, requests) => [
          {
            station: "line",
            options: { seed, through, servers: 1, rates: [rho], law: "exponential", requests, room: K },
          },
        ],
      };
    }),
  ];
}

function lost(expected: number): Case["checks"] {
  return [{ figure: "lost", what: "P(lost)", expected }];
}

/** Where hardly anybody is lost. */
function byLevels(named: Pick<Case, "what" | "checks">, rate: number, room: number): Case {
  const levels = { servers: 1, rate, room };
  return {
    ...named,
    note: "lean line, by stretches of levels",
    requests: (LEVELS_MILLIONS * 1e6) / 20,
    runs: (seed, requests) => levelRuns({ ...levels, requests }, seed),
    combine: (outcomes) => combineLevels(outcomes, levels),
  };
}
