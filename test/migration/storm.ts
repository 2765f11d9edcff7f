import { setTimeout as sleep } from "node:timers/promises";
import { APIError } from "openai";
import { Random } from "../../src/core/random.ts";
import { until } from "../system/headgate.ts";
import { auditAnswer, auditLedger, type Move } from "./audit.ts";
import type { DecidedRequest } from "./decisions.ts";
import { startFleet, type TestFleet } from "./fleet.ts";
import { read, type Reading, story } from "./reading.ts";

export interface StormOptions {
  streams: number;
  /** Streams at the same time. */
  concurrency: number;
  seed: number;
  model: string;
  /** Whether workers are killed, stopped and drained meanwhile. */
  faults: boolean;
}

export interface StormReport {
  streams: number;
  completed: number;
  tokens: number;
  /** Why streams did not complete: what their clients were told, and what had been tried. */
  failures: string[];
  faults: Record<Fault, number>;
  /** Streams that went on elsewhere. */
  moved: number;
  moves: Move[];
  /** Completed streams by how they went, and those of them with other tokens than undisturbed ones. */
  divergence: Record<"unmoved" | "state" | "replay", { streams: number; differ: number }>;
}

const FAULTS = ["kill", "stall", "drain"] as const;
type Fault = (typeof FAULTS)[number];

const NAMES = ["Lila", "Tom", "Ada", "Max", "Nora", "Otto", "Ida", "Emil", "Mia", "Leo", "Eva", "Jan"];
const TOKENS_MIN = 60;
const TOKENS_MAX = 420;
/** From one fault to the next: tokens, for the machine's pace is not ours to choose. */
const FAULT_TOKENS_MIN = 500;
const FAULT_TOKENS_MAX = 3_000;
/** When too few workers are well for another fault. */
const LOOK_AGAIN_TOKENS = 50;
/** Shorter than a worker may be silent, and longer. */
const STALL_MS_MIN = 100;
const STALL_MS_MAX = 5_000;

/** Patience short enough for a test, and long beside what a healthy worker takes. */
const IMPATIENT = {
  heartbeats: { interval: 0.25, stale: 1.5, dead: 4 },
  timeouts: { prefill: 10, stall: 3, queue: 60, total: 240, drain: 5 },
  limits: { retries_max: 3 },
  // Answers are to move with more credit on its way, too.
  budgets: { packet_tokens: 16 },
};

/** Many streams at once over three workers, held against what was generated; rejects where a token or a cent is wrong. */
export async function runStorm(options: StormOptions): Promise<StormReport> {
  const fleet = await startFleet({ model: options.model, sections: options.faults ? IMPATIENT : {} });
  try {
    return await rage(fleet, options);
  } finally {
    await fleet.remove();
  }
}

async function rage(
  fleet: TestFleet,
  { streams, concurrency, seed, faults }: StormOptions,
): Promise<StormReport> {
  const { client } = fleet.headgate;
  const random = new Random(seed);
  const undisturbed: Reading[] = [];
  for (const name of NAMES) undisturbed.push(await read(client, story(name, TOKENS_MAX)));
  const weather = new Weather(fleet, random.fork());
  if (faults) weather.begin();
  const wanted = Array.from({ length: streams }, (_, i) => ({
    who: random.between(0, NAMES.length - 1),
    maxTokens: random.between(TOKENS_MIN, TOKENS_MAX),
    logprobs: i % 5 === 0,
  }));
  const readings: { reading: Reading; who: number }[] = [];
  const next = wanted.values();
  const readOn = async (): Promise<void> => {
    for (const { who, maxTokens, logprobs } of next) {
      try {
        readings.push({ reading: await read(client, { ...story(NAMES[who]!, maxTokens), logprobs }), who });
      } catch (error) {
        // What the supervisor says of it counts, as long as it was the supervisor that ended it.
        if (!(error instanceof APIError)) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, readOn));
  await weather.end();
  await until(() => fleet.headgate.inspect().requests === 0);
  const { sessions, openHolds, kvBytes } = fleet.headgate.inspect();
  if (sessions + openHolds + kvBytes > 0)
    throw new Error(`left behind: ${JSON.stringify({ sessions, openHolds, kvBytes })}`);

  const books = await fleet.finish();
  auditLedger(books);
  const expected = undisturbed.map((reading) => auditAnswer(reading, books, fleet.tap).ids);
  const report: StormReport = {
    streams,
    completed: readings.length,
    tokens: 0,
    failures: [...books.requests.values()]
      .filter(({ record }) => record?.outcome !== "completed")
      .map(describeFailure),
    faults: weather.counts,
    moved: 0,
    moves: [],
    divergence: {
      unmoved: { streams: 0, differ: 0 },
      state: { streams: 0, differ: 0 },
      replay: { streams: 0, differ: 0 },
    },
  };
  for (const { reading, who } of readings) {
    const { ids, moves } = auditAnswer(reading, books, fleet.tap);
    report.tokens += ids.length;
    report.moves.push(...moves);
    if (moves.length > 0) report.moved++;
    const kind =
      moves.length === 0 ? "unmoved" : moves.every(({ by }) => by === "state") ? "state" : "replay";
    report.divergence[kind].streams++;
    if (ids.some((id, i) => id !== expected[who]![i])) report.divergence[kind].differ++;
  }
  return report;
}

function describeFailure({ record, attempts }: DecidedRequest): string {
  const tried = attempts.map(({ dispatch, left, relayed }) => `${dispatch.worker} ${left} after ${relayed}`);
  return `${record?.code} ${record?.reason} ${record?.message} (${tried.join(", ")})`;
}

/**
 * Faults, one after the other, each so many tokens after the one before, and each when two workers at least are well:
 * one is always left, for without any, requests are refused.
 */
class Weather {
  readonly counts: Record<Fault, number> = { kill: 0, stall: 0, drain: 0 };
  readonly #fleet: TestFleet;
  readonly #random: Random;
  readonly #stalls = new Set<Promise<void>>();
  readonly #stopped = new Set<string>();
  /** Told to end, which the supervisor does not know yet. */
  readonly #leaving = new Map<string, Promise<void>>();
  #tokensLeft = 0;

  constructor(fleet: TestFleet, random: Random) {
    this.#fleet = fleet;
    this.#random = random;
  }

  begin(): void {
    this.#tokensLeft = this.#random.between(FAULT_TOKENS_MIN, FAULT_TOKENS_MAX);
    this.#fleet.tap.onToken = () => {
      if (--this.#tokensLeft > 0) return;
      const isTime = this.#well().length >= 2;
      this.#tokensLeft = isTime
        ? this.#random.between(FAULT_TOKENS_MIN, FAULT_TOKENS_MAX)
        : LOOK_AGAIN_TOKENS;
      if (isTime) this.#strike();
    };
  }

  /** No more of it; resolves when every worker that was stopped goes on, and all ends are known. */
  async end(): Promise<void> {
    this.#fleet.tap.onToken = () => {};
    await Promise.all([...this.#stalls, ...this.#leaving.values()]);
  }

  #strike(): void {
    const fault = this.#random.pick(FAULTS);
    const worker = this.#random.pick(this.#fleet.workers);
    const stallMs = this.#random.between(STALL_MS_MIN, STALL_MS_MAX);
    if (fault === "kill") this.#end(worker, "SIGKILL");
    if (fault === "drain") this.#end(worker, "SIGTERM");
    if (fault === "stall") {
      const stall = this.#stall(worker, stallMs).finally(() => this.#stalls.delete(stall));
      this.#stalls.add(stall);
    }
    this.counts[fault]++;
  }

  #well(): string[] {
    const { workers } = this.#fleet.headgate.inspect();
    const alive = workers.filter(({ status }) => status === "alive").map(({ worker }) => worker);
    return alive.filter((worker) => !this.#stopped.has(worker) && !this.#leaving.has(worker));
  }

  #end(worker: string, signal: "SIGTERM" | "SIGKILL"): void {
    const leaving = this.#fleet
      .end(worker, signal)
      .catch(unlessGone)
      .finally(() => {
        if (this.#leaving.get(worker) === leaving) this.#leaving.delete(worker);
      });
    this.#leaving.set(worker, leaving);
  }

  async #stall(worker: string, stallMs: number): Promise<void> {
    this.#stopped.add(worker);
    this.#signal(worker, "SIGSTOP");
    await sleep(stallMs);
    this.#signal(worker, "SIGCONT");
    this.#stopped.delete(worker);
  }

  #signal(worker: string, signal: NodeJS.Signals): void {
    try {
      this.#fleet.headgate.signalWorker(worker, signal);
    } catch (error) {
      unlessGone(error);
    }
  }
}

/** The process may be gone already, by another fault. */
function unlessGone(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
}
