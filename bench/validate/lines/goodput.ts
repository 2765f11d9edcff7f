import { PROFILES } from "../../../src/core/placement/profile.ts";
import { type Interval, pairedDifference } from "../../../src/simulator/statistics/intervals.ts";
import { mean } from "../../../src/simulator/statistics/moments.ts";
import { ENDPOINTS, ENGINE, type FleetOutcome, type FleetRun, STEP_NOISE } from "../fleet/run.ts";
import { TPOT_US, type TracePart, WAIT_US } from "../fleet/trace.ts";
import { type Line, NO_LINE, type ValidationGroup } from "../line.ts";
import { sharedData } from "../shared-data.ts";
import { Threads } from "../threads.ts";

const OURS = "standard";
const RIVALS = ["round-robin", "power-of-two", "cache-aware", "sticky-until-saturated", "lmetric"];
const BASELINE = "round-robin";

/** The promise that round robin breaks at the load that others are counted from. */
const SHARE_MIN = 0.95;
/** That load is found to this ratio. */
const RATIO = 1.02;
const LOADS = { full: [0.5, 0.75, 1, 1.25, 1.5], quick: [0.5, 1.5] };
const SEEDS = { full: [1, 2, 3, 4, 5], quick: [1, 2, 3] };
/** Of the trace, from its beginning. */
const REQUESTS = { full: Infinity, quick: 1_000 };
const CONFIDENCE = 0.95;

type FleetThreads = Threads<FleetRun, FleetOutcome>;

/** By policy and load, what all seeds came to, in their order. */
type Cells = Map<string, Map<number, FleetOutcome[]>>;

export const goodputGroup: ValidationGroup = {
  name: "goodput",
  source:
    `Weights frozen on Mooncake's conversation trace, reported on its synthetic one: ${ENDPOINTS} endpoints of ${ENGINE.name} with room for ${ENGINE.kvTokens} tokens each, steps ± ${STEP_NOISE * 100} %. ` +
    `A request hopes for its first token within ${WAIT_US / 1e6} s more than an idle endpoint takes to read its prompt, which is seconds for the longest, and ${TPOT_US / 1e3} ms for each further token, which is faster than anybody reads. ` +
    `Loads from ${LOADS.full[0]} to ${LOADS.full.at(-1)} times the one at which less than ${SHARE_MIN * 100} % of the requests come as fast as hoped under ${BASELINE}. ` +
    `Differences paired over ${SEEDS.full.length} seeds of noise and arrivals, mean over the loads, intervals of ${CONFIDENCE * 100} % each`,
  command: "npm run validate -- --only goodput",
  async *run({ isQuick }) {
    const trace = sharedData("traces", "mooncake", "synthetic_trace.jsonl");
    if (!trace.exists) {
      yield { ...NO_LINE, what: `${OURS} against others`, note: `${trace.path} is not there` };
      return;
    }
    const startMs = performance.now();
    const size = isQuick ? "quick" : "full";
    const workload = { path: trace.path, requests: REQUESTS[size] };
    const seeds = SEEDS[size];
    await using threads: FleetThreads = new Threads(new URL("../fleet/thread.ts", import.meta.url));
    const knee = await breakingLoad(threads, { workload, seeds });
    const loads = LOADS[size].map((factor) => factor * knee);
    const cells = await runAll(threads, { workload, seeds, loads, placements: [OURS, ...RIVALS] });
    const seconds = (performance.now() - startMs) / 1_000;
    yield {
      ...NO_LINE,
      what: `load at which ${BASELINE} breaks its promise`,
      got: knee,
      verdict: "holds",
      note: `× the trace's own rate; the loads below count from it. ${cells.get(OURS)!.get(loads[0]!)![0]!.requests} requests, for those that are too long for the engine are left out`,
      seconds,
    };
    for (const figure of FIGURES) {
      for (const rival of RIVALS)
        yield { ...NO_LINE, ...compared(cells, { figure, rival, loads, knee, isQuick }) };
    }
    if (!isQuick)
      yield await othersLine(threads, { workload, seeds, ours: cells.get(OURS)!, load: loads.at(-1)! });
  },
};

/** What policies are compared by. */
interface ComparedFigure {
  name: string;
  expected: string;
  of: (outcome: FleetOutcome) => number;
  /** Ours against theirs. */
  better: "higher" | "lower";
  text: (value: number) => string;
}

const FIGURES: readonly ComparedFigure[] = [
  {
    name: "goodput, % of requests",
    expected: "above 0",
    of: ({ goodput }) => goodput * 100,
    better: "higher",
    text: (percent) => `${percent.toFixed(2)} %`,
  },
  {
    name: "TTFT p99, ms",
    expected: "below 0",
    of: ({ ttftMs }) => ttftMs.p99,
    better: "lower",
    text: (ms) => `${ms.toFixed(0)} ms`,
  },
];

/** One figure of ours less that of a rival: over all loads, and where it is on the wrong side of 0 at one of them. */
function compared(
  cells: Cells,
  {
    figure,
    rival,
    loads,
    knee,
    isQuick,
  }: {
    figure: ComparedFigure;
    rival: string;
    loads: readonly number[];
    knee: number;
    isQuick: boolean;
  },
): Pick<Line, "what" | "expected" | "got" | "halfWidth" | "verdict" | "note"> {
  const sign = signOf(figure);
  const ours = (load: number): number[] => cells.get(OURS)!.get(load)!.map(figure.of);
  const theirs = (load: number): number[] => cells.get(rival)!.get(load)!.map(figure.of);
  const all = pairedDifference(overLoads(loads, ours), overLoads(loads, theirs), CONFIDENCE);
  const atLoads = loads.map((load) => {
    const difference = pairedDifference(ours(load), theirs(load), CONFIDENCE);
    const values = `${figure.text(mean(ours(load)))} against ${figure.text(mean(theirs(load)))}`;
    return `× ${(load / knee).toFixed(2)}: ${values}${isSure(difference, sign) ? "" : doubt(difference, sign)}`;
  });
  return {
    what: `${OURS} − ${rival}, ${figure.name}`,
    expected: figure.expected,
    got: all.value,
    halfWidth: all.halfWidth,
    // A quick look is too short to be sure of what is better.
    verdict: isSure(all, sign) || (isQuick && !isSure(all, -sign)) ? "holds" : "missed",
    note: atLoads.join("; "),
  };
}

function signOf({ better }: ComparedFigure): number {
  return better === "higher" ? 1 : -1;
}

/** Whether all of the interval is on the right side. */
function isSure({ value, halfWidth }: Interval, sign: number): boolean {
  return value * sign > halfWidth;
}

function doubt({ value, halfWidth }: Interval, sign: number): string {
  return value * sign < -halfWidth ? " (worse)" : " (unclear)";
}

/** By seed: the mean over loads. */
function overLoads(loads: readonly number[], of: (load: number) => number[]): number[] {
  const columns = loads.map(of);
  return columns[0]!.map((_, seed) => mean(columns.map((column) => column[seed]!)));
}

/** Who of the rest of the catalogue does better at the highest load: held to nothing, and good to know. */
async function othersLine(
  threads: FleetThreads,
  { ours, load, ...grid }: Grid & { ours: ReadonlyMap<number, FleetOutcome[]>; load: number },
): Promise<Line> {
  const startMs = performance.now();
  const others = Object.keys(PROFILES).filter((name) => name !== OURS && !RIVALS.includes(name));
  const cells = await runAll(threads, { ...grid, loads: [load], placements: others });
  const ahead = others.flatMap((other) => {
    return FIGURES.filter((figure) => {
      const theirs = cells.get(other)!.get(load)!.map(figure.of);
      return isSure(pairedDifference(theirs, ours.get(load)!.map(figure.of), CONFIDENCE), signOf(figure));
    }).map(({ name }) => `${other} in ${name}`);
  });
  const shares = others.map((other) => {
    const [goodput, ttft] = FIGURES.map(({ of, text }) => text(mean(cells.get(other)!.get(load)!.map(of))));
    return `${other} ${goodput}, ${ttft}`;
  });
  return {
    ...NO_LINE,
    what: `others of the catalogue that do better at × ${LOADS.full.at(-1)}`,
    got: ahead.length === 0 ? "none" : ahead.join("; "),
    verdict: "holds",
    note: `held to nothing: ${shares.join("; ")}`,
    seconds: (performance.now() - startMs) / 1_000,
  };
}

interface Grid {
  workload: TracePart;
  seeds: readonly number[];
}

/** The lowest load at which the baseline breaks its promise, on average over the seeds. */
async function breakingLoad(threads: FleetThreads, { workload, seeds }: Grid): Promise<number> {
  const keeps = async (load: number): Promise<boolean> => {
    const runs = seeds.map((seed) => threads.run({ workload, seed, load, placement: BASELINE }));
    return mean((await Promise.all(runs)).map(({ goodput }) => goodput)) >= SHARE_MIN;
  };
  let [kept, broken] = [1 / 16, 1];
  while (await keeps(broken)) [kept, broken] = [broken, broken * 2];
  while (broken / kept > RATIO) {
    const middle = Math.sqrt(kept * broken);
    if (await keeps(middle)) kept = middle;
    else broken = middle;
  }
  return broken;
}

async function runAll(
  threads: FleetThreads,
  { workload, seeds, loads, placements }: Grid & { loads: readonly number[]; placements: readonly string[] },
): Promise<Cells> {
  const cells: Cells = new Map(placements.map((placement) => [placement, new Map()]));
  // Seed by seed, so that threads seldom have to read the trace anew.
  const runs = seeds.flatMap((seed) => {
    return [...cells].flatMap(([placement, byLoad]) => {
      return loads.map(async (load) => {
        const outcome = await threads.run({ workload, seed, load, placement });
        const [violation] = outcome.violations;
        if (violation !== undefined)
          throw new Error(`${placement} at load ${load}, seed ${seed}: ${violation}`);
        const outcomes = byLoad.get(load) ?? byLoad.set(load, []).get(load)!;
        outcomes[seeds.indexOf(seed)] = outcome;
      });
    });
  });
  await Promise.all(runs);
  return cells;
}
