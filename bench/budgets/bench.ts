import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, Children, leavePinnedCore } from "../child.ts";
import { makeKey, NEVER_BINDS, type Payer, writeConfiguration } from "../data-plane/configuration.ts";
import { type Ask, chatCall } from "../data-plane/dialects.ts";
import { Load } from "../data-plane/load.ts";
import { figure, type Figure, quantile, type Report } from "../figures.ts";
import { interleave } from "../interleave.ts";
import type { Size } from "../sizes.ts";
import { SettledLog } from "./settled-log.ts";

const ADDED_CPU_US_MAX = 30;
const HOLD_P99_MS_MAX = 2;
/** The rate that the aim for holds is set at. */
const HOLD_RATE = 1_000;
const ASK: Ask = { endpoint: "worker", streamed: false, tokens: 1 };

const PAYERS = {
  unlimited: { account: "global/unlimited/key", limits: [] },
  limited: {
    account: "global/limited/key",
    limits: [
      { account: "global/limited", unit: "usd", window: "day", amount: NEVER_BINDS.usd },
      { account: "global/limited/key", unit: "tokens", window: "day", amount: NEVER_BINDS.tokens },
      { account: "global/limited/key", unit: "requests", window: "day", amount: NEVER_BINDS.requests },
    ],
  },
} satisfies Record<string, Payer>;

type PayerName = keyof typeof PAYERS;

interface Rig {
  size: Size;
  headgate: Child;
  load: Load;
  keys: Record<PayerName, string>;
  /** Where Headgate's log goes. */
  logPath: string;
}

/**
 * What budgets cost in one and the same Headgate: CPU time of a request under limits beside one under none, in turns, and the
 * time that a request waits until its hold is durable.
 */
export async function benchBudgets(size: Size): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "headgate-bench-"));
  const logPath = join(folder, "headgate.log");
  const log = openSync(logPath, "w");
  try {
    using _ = leavePinnedCore();
    await using children = new Children();
    const upstream = await children.start(new URL("../data-plane/upstream.ts", import.meta.url));
    const configPath = writeConfiguration(folder, upstream.url);
    const keys = {
      unlimited: makeKey(configPath, PAYERS.unlimited),
      limited: makeKey(configPath, PAYERS.limited),
    };
    const headgate = await children.start(new URL("../data-plane/headgate.ts", import.meta.url), {
      arguments: [configPath],
      isPinned: true,
      stdout: log,
    });
    await upstream.ask("register", headgate.url);
    const load = new Load(headgate.url);
    const rig: Rig = { size, headgate, load, keys, logPath };
    const figures = [await cpuFigure(rig)];
    for (const rate of size.dataPlane.rates) figures.push(...(await holdFigures(rig, rate)));
    await load.close();
    return { bench: "budgets, of a request to a worker that is not streamed", figures };
  } finally {
    closeSync(log);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function cpuFigure({ size, headgate, load, keys }: Rig): Promise<Figure> {
  const { requests: count, requestLanes: lanes } = size.dataPlane;
  const rounds = await interleave(size.rounds, Object.keys(PAYERS) as PayerName[], async (payer) => {
    const beforeUs = await headgate.cpuUs();
    await load.lanes(chatCall(ASK, keys[payer]), { count, lanes });
    return ((await headgate.cpuUs()) - beforeUs) / count;
  });
  return figure({
    what: "CPU per request, three limits on its path",
    unit: "µs",
    rounds,
    verdict: {
      formula: "limited - unlimited",
      of: ({ limited, unlimited }) => limited - unlimited,
      aim: { at: "most", bound: ADDED_CPU_US_MAX },
    },
  });
}

async function holdFigures({ size, load, keys, logPath }: Rig, rate: number): Promise<Figure[]> {
  const seconds = size.dataPlane.rateSeconds;
  const { limited } = await interleave(size.rounds, ["limited"], async (payer) => {
    const log = new SettledLog(logPath);
    const { length } = await load.arrivals(chatCall(ASK, keys[payer]), { rate, seconds });
    return log.reserveMs(length);
  });
  return (["p50", "p99"] as const).map((name) => {
    const q = name === "p50" ? 0.5 : 0.99;
    const isHeldTo = name === "p99" && rate === HOLD_RATE;
    return figure({
      what: `hold durable, ${name} at ${rate} requests/s`,
      unit: "ms",
      rounds: { limited: limited.map((sorted) => quantile(sorted, q)) },
      verdict: {
        formula: "added latency",
        of: (round) => round.limited,
        aim: isHeldTo ? { at: "most", bound: HOLD_P99_MS_MAX } : null,
      },
    });
  });
}
