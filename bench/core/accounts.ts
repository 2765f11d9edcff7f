import { figure, type Figure, quantile } from "../figures.ts";
import { interleave } from "../interleave.ts";
import type { Size } from "../sizes.ts";
import { AccountTree, cpuUsSince, heapBytes } from "./account-tree.ts";

/** Ten levels too, and small enough for every cache of the processor. */
const FEW = [1, 1, 1, 1, 1, 1, 1, 1, 10];
/** Taken, and then posted, without a look at the clock in between. */
const BATCH = 256;
const RESERVE_US_MAX = 20;
const US_PER_MS = 1_000;

/** What a round on one tree came to, in µs. */
interface Cost {
  reserve: number;
  both: number;
}

/** What holds cost in a tree of many accounts, with limits on every level, and what it takes to have one. */
export async function accountFigures({ rounds, core }: Size): Promise<Figure[]> {
  const few = new AccountTree(FEW);
  const emptyBytes = heapBytes();
  const many = new AccountTree(core.branches);
  const openedBytes = heapBytes();
  const among = `among ${many.leaves.length.toLocaleString("en")} accounts, ${core.branches.length + 1} levels`;

  const costs = await interleave(rounds, ["few", "many"], async (tree) => {
    return cpuCost(tree === "few" ? few : many, core.measureMs);
  });
  const reserve = costs.many.map((cost) => cost.reserve);
  const p50 = costs.many.map(() => medianReserveUs(many, core.measureMs));
  for (const leaf of many.leaves) many.post(many.reserve(leaf));
  const usedBytes = heapBytes();
  const perAccount = (bytes: number): number[] => [(bytes - emptyBytes) / many.accounts];
  return [
    figure({
      what: `ledger: reserve ${among}`,
      unit: "µs",
      rounds: { "CPU, mean": reserve, "clock, p50": p50 },
      verdict: {
        formula: "CPU, mean",
        of: (round) => round["CPU, mean"],
        aim: { at: "most", bound: RESERVE_US_MAX },
      },
    }),
    figure({
      what: `ledger: reserve and post ${among}`,
      unit: "µs CPU",
      rounds: { "10 accounts": costs.few.map(({ both }) => both), all: costs.many.map(({ both }) => both) },
      verdict: { formula: "all / 10 accounts", of: (round) => round.all / round["10 accounts"], aim: null },
    }),
    figure({ what: `ledger: opened, ${among}`, unit: "ms CPU", rounds: { all: [many.openMs] } }),
    figure({
      what: `ledger: memory for each of ${many.accounts.toLocaleString("en")} accounts`,
      unit: "bytes",
      rounds: { opened: perAccount(openedBytes), "all used": perAccount(usedBytes) },
    }),
  ];
}

/** CPU time of the process, its garbage collector included, on leaves that are picked at random. */
function cpuCost(tree: AccountTree, measureMs: number): Cost {
  const endMs = performance.now() + measureMs;
  let reserveUs = 0;
  let postUs = 0;
  let count = 0;
  do {
    const holds: string[] = [];
    const start = process.cpuUsage();
    for (let i = 0; i < BATCH; i++) holds.push(tree.reserve());
    reserveUs += cpuUsSince(start);
    const middle = process.cpuUsage();
    for (const hold of holds) tree.post(hold);
    postUs += cpuUsSince(middle);
    count += BATCH;
  } while (performance.now() < endMs);
  return { reserve: reserveUs / count, both: (reserveUs + postUs) / count };
}

/** What half of the holds don't exceed, by the clock: what others take from it shows in the other half. */
function medianReserveUs(tree: AccountTree, measureMs: number): number {
  const times: number[] = [];
  const endMs = performance.now() + measureMs;
  do {
    const startMs = performance.now();
    const hold = tree.reserve();
    times.push((performance.now() - startMs) * US_PER_MS);
    tree.post(hold);
  } while (performance.now() < endMs);
  times.sort((a, b) => a - b);
  return quantile(times, 0.5);
}
