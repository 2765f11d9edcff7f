import { mean } from "../../../src/simulator/statistics/moments.ts";
import type { Outcome } from "../stations/outcome.ts";
import type { StationRun } from "../stations/run.ts";

/** Steps from the first to the last level of a stretch: short ones are through sooner. */
const STRETCH = 2;
/** Stretches below the usual number of jobs hardly count in the sum: they get this share of the requests. */
const LOW_SHARE = 0.25;

export interface Levels {
  servers: number;
  rate: number;
  /** Most jobs that there may be; Infinity for no limit. */
  room: number;
  requests: number;
}

/**
 * What is too rare to be waited for is found by stretches of levels. In M/M/c the number of jobs moves by one at a time, so
 * watching only the time it spends from level a to level b is the same as refusing to let it leave: an arrival at b is
 * turned away, and a job that ends at a begins again, which an exponential law does not notice. Each stretch gives the shares of
 * its levels among themselves, and neighbours have one level in common, so they can be put together to the law of all levels.
 */
export function levelRuns({ servers, rate, room, requests }: Levels, seed: number): StationRun[] {
  const stretches = stretchesOf({ servers, room });
  const shares = stretches.map(({ ceiling }): number => (ceiling <= Math.min(rate, servers) ? LOW_SHARE : 1));
  const total = shares.reduce((sum, share) => sum + share);
  return stretches.map(({ floor, ceiling }, i) => ({
    station: "line",
    options: {
      seed: seed * stretches.length + i,
      through: "lean",
      servers,
      rates: [rate],
      law: "exponential",
      requests: Math.ceil((requests * shares[i]!) / total),
      floor,
      room: ceiling,
    },
  }));
}

/**
 * The figures `wait`, the share of arrivals that find c jobs or more; `lost`, the share that find no room; `W` and `T`. Waits are
 * measured in the highest stretch, where all who wait are.
 */
export function combineLevels(
  outcomes: readonly Outcome[],
  { servers, room }: Pick<Levels, "servers" | "room">,
): Outcome {
  const stretches = stretchesOf({ servers, room });
  const end = stretches.at(-1)!.floor;
  const shares: number[] = [];
  // From the last floor upwards, then down from stretch to stretch: levels so rare that nobody saw them have no share.
  shares[end] = 1;
  for (let i = stretches.length - 1; i >= 0; i--) {
    const { floor, ceiling } = stretches[i]!;
    const { whole, batches } = outcomes[i]!;
    const known = i === stretches.length - 1 ? floor : ceiling;
    const step = stepCorrection(batches);
    for (let level = floor; level <= ceiling; level++) {
      const ratio = whole[`level${level}`]! / whole[`level${known}`]!;
      shares[level] = shares[known]! * ratio * step ** (level - known);
    }
  }
  const total = shares.reduce((sum, share) => sum + share);
  const waiting = shares.slice(servers).reduce((sum, share) => sum + share, 0) / total;
  const highest = outcomes.at(-1)!.batches;
  const meanOf = (figure: string): number => mean(highest.map(({ figures }) => figures[figure]!));
  const W = waiting * (meanOf("W") / meanOf("wait"));
  return {
    batches: [],
    whole: {
      wait: waiting,
      lost: (shares[room] ?? 0) / total,
      W,
      T: W + 1,
      W_p99: waiting < RARE ? 0 : Number.NaN,
    },
    requests: outcomes.reduce((sum, { requests }) => sum + requests, 0),
  };
}

/** Where fewer than that wait, the 99th percentile of waits is 0. */
const RARE = 0.01;
const CORRECTION_EXPONENT = 0.75;
/** Levels above the highest floor that are told apart where there is no limit: what lies beyond has no share worth a digit. */
const TOP_LEVELS = 400;

/**
 * What is known to be chance: where gaps came out longer than they are on average, or services shorter, each level has had
 * too small a share beside the one below it. The correction is 1 on average, and near the best with this exponent.
 */
function stepCorrection(batches: Outcome["batches"]): number {
  const [gaps, services] = [0, 1].map((j) => 1 + mean(batches.map(({ controls }) => controls[j]!)));
  return (gaps! / services!) ** CORRECTION_EXPONENT;
}

function stretchesOf({
  servers,
  room,
}: Pick<Levels, "servers" | "room">): { floor: number; ceiling: number }[] {
  const end = room === Infinity ? servers : room;
  const stretches = [];
  for (let floor = 0; floor < end; floor += STRETCH) {
    stretches.push({ floor, ceiling: Math.min(end, floor + STRETCH) });
  }
  if (room === Infinity) stretches.push({ floor: servers, ceiling: servers + TOP_LEVELS });
  return stretches;
}
