import { figure, type Figure, type Rounds } from "../figures.ts";

const SPEEDUP_MIN = 2.5;
const US_PER_SECOND = 1_000_000;
/** What capacity is reckoned for. */
const CORES = 4;

/** How many supervisors each subject has. */
export const COUNTS = { "1 supervisor": 1, "4 supervisors": 4 } as const;
export type Subject = keyof typeof COUNTS;
export const SUBJECTS = Object.keys(COUNTS) as Subject[];

/** What one load has given. */
export interface Sample {
  /** Requests a second. */
  rate: number;
  /** CPU time of each request, in µs. Where there is one supervisor, it has no launcher. */
  cpuUs: Record<"supervisors" | "launcher" | "clients" | "upstream", number>;
}

/** Stand below the table. */
export const NOTES = [
  "requests  as measured, on one machine with clients and upstream: what that machine serves in all.",
  `capacity  as reckoned: of 4 supervisors, ${CORES} cores / (CPU of supervisors + launcher), as if clients and`,
  "          upstream were elsewhere and no core ever idle; of 1 supervisor, its requests as measured: its",
  "          one thread for requests is saturated, and more cores would not help it.",
];

export function toFigures(what: string, samples: Record<Subject, readonly Sample[]>): Figure[] {
  const rates = roundsOf(samples, ({ rate }) => rate);
  const capacities = {
    "1 supervisor": rates["1 supervisor"],
    "4 supervisors": samples["4 supervisors"].map(
      ({ cpuUs }) => (CORES * US_PER_SECOND) / (cpuUs.supervisors + cpuUs.launcher),
    ),
  };
  const launcher = samples["4 supervisors"].map(({ cpuUs }) => cpuUs.launcher);
  const cpu = (name: "supervisors" | "clients" | "upstream"): Figure =>
    cpuFigure(
      `${what}: CPU of ${name}`,
      roundsOf(samples, ({ cpuUs }) => cpuUs[name]),
    );
  return [
    speedup(`${what}: requests`, rates),
    speedup(`${what}: capacity`, capacities),
    cpu("supervisors"),
    figure({ what: `${what}: CPU of launcher`, unit: "µs", rounds: { "4 supervisors": launcher } }),
    cpu("clients"),
    cpu("upstream"),
  ];
}

function roundsOf(
  samples: Record<Subject, readonly Sample[]>,
  value: (sample: Sample) => number,
): Rounds<Subject> {
  return {
    "1 supervisor": samples["1 supervisor"].map(value),
    "4 supervisors": samples["4 supervisors"].map(value),
  };
}

function speedup(what: string, rounds: Rounds<Subject>): Figure {
  return figure({
    what,
    unit: "1/s",
    rounds,
    verdict: { ...COMPARED, aim: { at: "least", bound: SPEEDUP_MIN } },
  });
}

/** Of each request. */
function cpuFigure(what: string, rounds: Rounds<Subject>): Figure {
  return figure({ what, unit: "µs", rounds, verdict: { ...COMPARED, aim: null } });
}

const COMPARED = {
  formula: "4 supervisors / 1 supervisor",
  of: (round: Record<Subject, number>): number => round["4 supervisors"] / round["1 supervisor"],
};
