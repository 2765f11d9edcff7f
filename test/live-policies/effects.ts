import assert from "node:assert/strict";
import type { Parameters } from "../../src/core/policy.ts";
import type { Reading } from "../migration/reading.ts";
import { both, choiceOf, type KindName } from "./choices.ts";
import { type Ask, CONTEXT_TOKENS, type Patch, type Stage, WORKERS } from "./stage.ts";

/** How a policy can be told from others by what a live fleet does, or why it can't, where time or chance decide. */
export type Effect = Seen | string;

interface Seen {
  /** As in "the picker round-robin …". */
  does: string;
  parameters?: Parameters;
  /** Whatever else has to be in force for it to be seen. */
  beside?: Patch;
  /** Fails unless the policy, which is in force, does it. Nothing else is under way. */
  check: (stage: Stage, policy: Patch) => Promise<void>;
}

const MEASURED = "goes by times that were measured";
const CHANCE = "goes by chance";

// ── where requests go ────────────────────────────────────────────────────────────────────

/** Each of the three twice in a row, and once more: whoever only takes turns does something else. */
const REPEATS = [0, 0, 1, 1, 2, 2, 0, 1, 2];

const keepsSessions: Seen = {
  does: "sends a session where it was before",
  check: (stage) => staysTogether(stage, (i) => ({ headers: { "x-headgate-session": `session ${i}` } })),
};

const keepsPrompts: Seen = {
  does: "sends prompts that begin alike to the same worker",
  check: (stage) => {
    const about = stage.newName();
    return staysTogether(stage, (i, time) => ({
      content: `${about} ${i} is a fox. ${"The fox runs over the hill. ".repeat(20)}Why? ${time}`,
    }));
  },
};

async function staysTogether(stage: Stage, ask: (i: number, time: number) => Ask): Promise<void> {
  const workers = await stage.askInTurn(REPEATS.map(ask));
  for (const [time, i] of REPEATS.entries()) {
    assert.equal(workers[time], workers[REPEATS.indexOf(i)], `went to ${workers.join(", ")}`);
  }
}

/** While so many requests are on the first worker and stay there, so many more come; where those go. */
async function askBesides(stage: Stage, { busy, more }: { busy: number; more: number }): Promise<string[]> {
  const asks = await stage.whileStopped(async () => {
    const running: Promise<Reading>[] = [];
    while (running.length < busy + more) {
      const isFirst = running.length < busy;
      running.push(stage.ask(isFirst ? { headers: { "x-headgate-require": "region=eu" } } : {}));
      await stage.underWay({ sessions: running.length });
    }
    return running;
  });
  const workers = (await Promise.all(asks)).map((reading) => stage.workerOf(reading));
  assert.ok(workers.slice(0, busy).every((worker) => worker === "one"));
  return workers.slice(busy);
}

const spreads: Seen = {
  does: "gives to those who have less",
  check: async (stage) => {
    const workers = await askBesides(stage, { busy: 2, more: 4 });
    assert.deepEqual(workers.toSorted(), ["three", "three", "two", "two"]);
  },
};

/** Of any two the one with less; and while it has the most, that is never the first worker. */
const sparesTheBusiest: Seen = {
  does: "never takes the busiest",
  check: async (stage) => {
    for (let round = 0; round < 3; round++) {
      assert.ok(!(await askBesides(stage, { busy: 3, more: 3 })).includes("one"));
    }
  },
};

const takesTurns: Seen = {
  does: "goes round, whoever is busy",
  check: async (stage) => {
    const workers = await askBesides(stage, { busy: 2, more: 6 });
    assert.deepEqual(workers.slice(0, 3).toSorted(), WORKERS.toSorted());
    assert.deepEqual(workers.slice(3), workers.slice(0, 3));
  },
};

const takesWeightedTurns: Seen = {
  does: "goes round, twice as often by the worker of twice the weight",
  check: async (stage) => {
    const workers = await stage.askInTurn([{}, {}, {}, {}, {}, {}, {}, {}]);
    const counts = WORKERS.map((worker) => workers.filter((other) => other === worker).length);
    assert.deepEqual(counts, [4, 2, 2]);
  },
};

const placesTogether: Seen = {
  does: "gives each worker a share of what waits, all of it at once",
  check: async (stage, policy) => {
    await stage.put(both(policy, { queue: { tenants: { local: { concurrency_max: 1 } } } }));
    const running = await stage.whileStopped(async () => {
      const asks = [stage.ask()];
      await stage.underWay({ sessions: 1 });
      for (let waiting = 1; waiting <= 2 * WORKERS.length; waiting++) {
        asks.push(stage.ask());
        await stage.underWay({ sessions: 1, waiting });
      }
      // Nothing keeps them any more, and there is room for all of them.
      await stage.put(policy);
      await stage.underWay({ sessions: asks.length });
      return asks;
    });
    const [, ...workers] = (await Promise.all(running)).map((reading) => stage.workerOf(reading));
    // In order of arrival, where one by one no worker would be given two in a row.
    assert.deepEqual(
      workers,
      WORKERS.flatMap((_, i) => [workers[2 * i], workers[2 * i]]),
    );
    assert.equal(new Set(workers).size, WORKERS.length);
  },
};

/** The label is usual for all that do not say; others may ask for another value. */
function keepsToLabel(usual: string, require: string): Seen {
  return {
    does: "keeps requests to workers of a label",
    parameters: { usual },
    check: async (stage) => {
      assert.deepEqual(await stage.askInTurn([{}, {}, {}]), ["one", "one", "one"]);
      const others = await stage.askInTurn([
        { headers: { "x-headgate-require": require } },
        { headers: { "x-headgate-require": require } },
      ]);
      assert.deepEqual(others.toSorted(), ["three", "two"]);
    },
  };
}

const waitsForContext: Seen = {
  does: "keeps back what could be cut short, until another policy lets it go",
  check: async (stage) => {
    // With what it may be at most, the prompt does not fit beside it; as it is, it does.
    const asked = stage.ask({ maxTokens: CONTEXT_TOKENS - 40 });
    await stage.underWay({ sessions: 0, waiting: 1 });
    await stage.put();
    await asked;
  },
};

const PLACEMENT = {
  profile: {
    "bounded-hash": keepsSessions,
    "cache-aware": keepsPrompts,
    "kv-router": keepsPrompts,
    "least-loaded-ema": MEASURED,
    "least-request": spreads,
    lmetric: keepsPrompts,
    "power-of-two": sparesTheBusiest,
    "predicted-latency": MEASURED,
    "prefix-approx": keepsPrompts,
    "prefix-precise": keepsPrompts,
    "prefix-sum": placesTogether,
    random: CHANCE,
    "round-robin": takesTurns,
    "session-affinity": keepsSessions,
    "sessions-kv": spreads,
    standard: MEASURED,
    "sticky-until-saturated": MEASURED,
    "token-load": keepsPrompts,
    "weighted-round-robin": takesWeightedTurns,
  },
  filter: {
    capability: keepsToLabel("vision", "capability=tools,region=us"),
    compliance: keepsToLabel("gdpr", "compliance=hipaa,region=us"),
    "context-length": waitsForContext,
    domain: keepsToLabel("math", "domain=law"),
    region: keepsToLabel("eu", "region=us"),
    "session-affinity": keepsSessions,
    // However long the first token would take.
    "sticky-until-saturated": { ...keepsPrompts, parameters: { bound: 1e9 } },
  },
  scorer: {
    "kv-router": keepsPrompts,
    "least-loaded-ema": MEASURED,
    "least-request": spreads,
    lmetric: keepsPrompts,
    "marginal-delay": MEASURED,
    "predicted-latency": MEASURED,
    "prefix-approx": keepsPrompts,
    "prefix-precise": keepsPrompts,
    "session-affinity": keepsSessions,
    "sessions-kv": spreads,
    "token-load": keepsPrompts,
  },
  picker: {
    "bounded-hash": keepsSessions,
    "cache-aware": keepsPrompts,
    "max-score": spreads,
    "power-of-two": sparesTheBusiest,
    random: CHANCE,
    "round-robin": takesTurns,
    softmax: { ...spreads, parameters: { temperature: 0 } },
    "weighted-round-robin": takesWeightedTurns,
  },
  "batch placer": { "prefix-sum": placesTogether },
} satisfies Partial<Record<KindName, Record<string, Effect>>>;

// ── who is served next ───────────────────────────────────────────────────────────────────

/** Of requests that came one after the other while all workers were full, the place of each one served. */
function serves(does: string, { asks, order, ...rest }: { asks: Ask[]; order: number[] } & Rest): Seen {
  return {
    does,
    ...rest,
    check: async (stage) =>
      assert.deepEqual((await stage.orderOfService(asks)).slice(0, order.length), order),
  };
}

type Rest = Pick<Seen, "parameters" | "beside">;

const inBand = (priority: string): Ask => ({ headers: { "x-headgate-priority": priority } });
const ofFlow = (flow: string): Ask => ({ headers: { "x-headgate-flow": flow } });
const within = (ttftMs: number): Ask => ({ headers: { "x-headgate-ttft-ms": String(ttftMs) } });

const BANDS: Ask[] = ["low", "low", "high", "high"].map(inBand);
const FLOWS: Ask[] = ["red", "red", "blue", "blue"].map(ofFlow);
const BY_FLOW: Patch = { queue: { flow_by: "header" } };
/** Hours, beside which it does not matter how long each took to come. */
const HOPES: Ask[] = [9e6, 6e6, 3e6].map(within);
const LENGTHS: Ask[] = [9, 6, 3].map((times) => ({ content: "Tell me a story. ".repeat(times) }));

/** Both flows are among the first two, although one of them came first with all it has. */
const sharesByFlow = (parameters: Parameters = {}): Seen =>
  serves("serves flows in turn", { asks: FLOWS, order: [0, 2], beside: BY_FLOW, parameters });

/** Besides, whoever has been served before comes second although it came first. */
const remembersFlows: Seen = {
  does: "serves whoever has had least, in turn",
  beside: BY_FLOW,
  check: async (stage, policy) => {
    await sharesByFlow().check(stage, policy);
    await stage.ask(ofFlow("green"));
    assert.deepEqual(await stage.orderOfService(["green", "yellow"].map(ofFlow)), [1, 0]);
  },
};

const QUEUEING = {
  bands: {
    strict: serves("serves the most urgent first", { asks: BANDS, order: [2, 3, 0, 1] }),
    weighted: serves("lets a band of little weight have its turn", {
      asks: BANDS,
      order: [0, 2, 3, 1],
      beside: {
        queue: {
          bands: [
            { name: "high", weight: 1_000 },
            { name: "normal", weight: 2 },
            { name: "low", weight: 1 },
          ],
        },
      },
    }),
  },
  fairness: {
    drr: sharesByFlow({ quantum: 1 }),
    "fcfs-flows": serves("serves whoever came first", { asks: FLOWS, order: [0, 1, 2, 3], beside: BY_FLOW }),
    foresight: remembersFlows,
    las: remembersFlows,
    "round-robin": sharesByFlow(),
    vtc: sharesByFlow(),
  },
  ordering: {
    edf: serves("serves the earliest deadline first", { asks: HOPES, order: [2, 1, 0] }),
    fcfs: serves("serves whoever came first", { asks: HOPES, order: [0, 1, 2] }),
    "slo-sjf": serves("serves what is urgent first", {
      asks: HOPES,
      order: [2, 1, 0],
      parameters: { horizon: 1e6 },
    }),
    wspt: serves("serves the shortest first", { asks: LENGTHS, order: [2, 1, 0] }),
  },
  batching: {
    adaptive: MEASURED,
    fixed: {
      does: "waits for a full batch, however idle the workers are",
      parameters: { size: 3, timeout: 1e6 },
      check: async (stage) => {
        const first = [stage.ask(), stage.ask()];
        await stage.underWay({ sessions: 0, waiting: 2 });
        await Promise.all([...first, stage.ask()]);
      },
    },
    "slo-aware": MEASURED,
    "token-budget": "sends all at once, if not in one batch",
  },
} satisfies Partial<Record<KindName, Record<string, Effect>>>;

// ── who is let in ────────────────────────────────────────────────────────────────────────

const SHED = { status: 503, code: "capacity", reason: "shed" };
/** Of a fleet with anything to do. */
const SHED_ALL = choiceOf("shedding", "probabilistic", { factor: 1e9, exponent: 1 });

/** A request that may be turned away, while another one runs; and one that may not. */
async function askBusy(stage: Stage, isShed: boolean): Promise<void> {
  await stage.ask(inBand("low"));
  const running = await stage.whileStopped(async () => {
    const first = stage.ask();
    await stage.underWay({ sessions: 1 });
    if (isShed) assert.deepEqual(await stage.refusal(inBand("low")), SHED);
    const second = stage.ask(inBand(isShed ? "normal" : "low"));
    await stage.underWay({ sessions: 2 });
    return [first, second];
  });
  await Promise.all(running);
}

const noticesLoad: Seen = {
  does: "says whether the fleet has anything to do",
  beside: SHED_ALL,
  check: (stage) => askBusy(stage, true),
};

const ADMISSION = {
  saturation: {
    concurrency: noticesLoad,
    kv: { ...noticesLoad, parameters: { from: 0 } },
    utilisation: noticesLoad,
  },
  shedding: {
    none: { does: "turns nobody away", check: (stage) => askBusy(stage, false) },
    probabilistic: {
      does: "turns away what is sheddable",
      parameters: { factor: 1e9, exponent: 1 },
      check: (stage) => askBusy(stage, true),
    },
  },
} satisfies Partial<Record<KindName, Record<string, Effect>>>;

/** For every policy there is what shows that it is at work. */
export const EFFECTS: Record<KindName, Record<string, Effect>> = { ...PLACEMENT, ...QUEUEING, ...ADMISSION };
