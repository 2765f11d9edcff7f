import analytic from "../analytic.json" with { type: "json" };
import type { Case } from "../case.ts";

const CORE_MILLIONS = 3.5;
/** By the load of both classes. */
const MILLIONS: Readonly<Record<string, number>> = { "0.70": 3, "0.90": 40, "0.95": 150 };

/** Two classes, the first before the second: without interruption as bands of the core's queue, and with it. */
export function priorityCases(): Case[] {
  return [
    ...analytic.MM1_two_class_nonpreemptive_priority.flatMap(({ l1, l2, W1, W2 }) => {
      const checks = [
        { figure: "W0", what: "E[W] first", expected: W1 },
        { figure: "W1", what: "E[W] second", expected: W2 },
      ];
      const station = (through: "core" | "lean", note: string, millions: number): Case => ({
        what: `two bands λ=${l1}+${l2}`,
        note,
        checks,
        requests: (millions * 1e6) / 20,
        runs: (seed, requests) => [
          {
            station: "line",
            options: { seed, through, servers: 1, rates: [l1, l2], law: "exponential", requests },
          },
        ],
      });
      const lean = station("lean", "lean line", millionsFor(l1 + l2));
      return l1 + l2 < 0.8
        ? [station("core", "core queue (bands) and placement", CORE_MILLIONS), lean]
        : [lean];
    }),
    ...analytic.MM1_two_class_preemptive_resume.map(({ l1, l2, T1, T2 }): Case => ({
      what: `interrupting λ=${l1}+${l2}`,
      note: "interruptible server",
      checks: [
        { figure: "T0", what: "E[T] first", expected: T1 },
        { figure: "T1", what: "E[T] second", expected: T2 },
      ],
      requests: (millionsFor(l1 + l2) * 1e6) / 20,
      runs: (seed, requests) => [{ station: "preemptive", options: { seed, rates: [l1, l2], requests } }],
    })),
  ];
}

function millionsFor(load: number): number {
  return MILLIONS[load.toFixed(2)]!;
}
