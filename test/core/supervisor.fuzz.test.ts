import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { chargeOf } from "../../src/core/budget/slice.ts";
import { LIMIT_UNITS, type LimitUnit } from "../../src/core/budget/limits.ts";
import type { LimitWindow } from "../../src/core/budget/windows.ts";
import type { CoreConfig, Scheduling, TailConfig } from "../../src/core/config.ts";
import type { Effect } from "../../src/core/effects.ts";
import { BATCHING } from "../../src/core/batching/catalogue.ts";
import type { PolicyChoice } from "../../src/core/policy.ts";
import type { Hints, SupervisorEvent } from "../../src/core/events.ts";
import { schedulingOf } from "../../src/core/default-scheduling.ts";
import { Supervisor } from "../../src/core/supervisor.ts";
import { type Micros, seconds } from "../../src/core/units.ts";
import { PLACEMENT_PROFILE_NAMES } from "../../src/core/placement/profile.ts";
import { FAIRNESS, ORDERING } from "../../src/core/queueing/catalogues.ts";
import type { FailureReason, WorkerRole } from "../../src/core/vocabulary.ts";
import { coreConfig, heartbeat, knownOf, requestArrived } from "./fixtures.ts";
import { Invariants } from "./invariants.ts";

const FAILURES: readonly FailureReason[] = [
  "unreachable",
  "at_capacity",
  "endpoint_error",
  "stream_broken",
  "request_rejected",
  "context_length_exceeded",
];

/** What may be done about slow and broken endpoints: nothing, or all there is. */
const TAILS = {
  plain: schedulingOf("default").tail,
  eager: {
    hedge: { percentile: 0.5, shareMax: 1, samplesMin: 1 },
    backoff: { baseUs: 10_000, maxUs: seconds(1) },
    breaker: { failures: 2, successes: 1, openUs: seconds(5) },
    migration: true,
  },
} satisfies Record<string, TailConfig>;

/** Something that may happen. `pick` chooses whom it happens to, often somebody who is gone. */
type Step =
  | {
      kind: "request";
      model: string;
      tenant: string;
      key: string | null;
      account?: string | undefined;
      choices: number;
      maxTokens: number | null;
      budgetWaitUs: Micros;
      streamed: boolean;
      hints: Hints;
    }
  | { kind: "slice"; action: "open" | "show" | "close"; account: string; amounts: number[]; ttlUs: Micros }
  | { kind: "limit"; account: string; unit: LimitUnit; window: LimitWindow; amount: string | null }
  | {
      kind: "heartbeat";
      pick: number;
      slots: number;
      epoch: number;
      draining: boolean;
      ageMs: number;
      sessions: number;
      role: WorkerRole;
      modelHash: string | null;
      progress: number | null;
    }
  | {
      kind: "policy";
      profile: string;
      fairness: string;
      ordering: string;
      batching: string;
      tail: keyof typeof TAILS;
    }
  | { kind: "left" | "started" | "finished" | "parked" | "gone" | "blocked" | "unblocked"; pick: number }
  | { kind: "output"; pick: number; choice: number; tokens: number }
  | { kind: "choice"; pick: number; choice: number }
  | { kind: "failed"; pick: number; reason: FailureReason }
  | { kind: "durable"; ahead: number }
  | { kind: "wait"; ms: number }
  | { kind: "timer" };

const pick = fc.nat(7);
/** Accounts that slices are for, some below others. */
const SLICED = ["a", "b", "a/c", "a/c/d"].map((name) => `global/acme/k1/${name}`);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("request" as const),
      model: fc.constantFrom("m", "m", "default", "k", "k", "nowhere"),
      tenant: fc.constantFrom("local", "acme"),
      key: fc.constantFrom(null, "k1"),
      account: fc.constantFrom(undefined, undefined, ...SLICED, `${SLICED[0]!}/task`),
      choices: fc.constantFrom(1, 1, 2, 4),
      budgetWaitUs: fc.constantFrom(0, 0, seconds(2), seconds(60)),
      maxTokens: fc.option(fc.integer({ min: 0, max: 12 })),
      streamed: fc.boolean(),
      hints: fc.record({
        priority: fc.constantFrom(null, "high", "low"),
        flow: fc.constantFrom(null, "f"),
        session: fc.constantFrom(null, "s1", "s2"),
        blocks: fc.constantFrom([], [1, 2, 3], [1, 2, 4]),
        labels: fc.constantFrom({}, {}, {}, { region: "eu" }),
        slo: fc.constantFrom(null, { ttftUs: seconds(1), tpotUs: seconds(0.1) }),
      }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("heartbeat" as const),
      pick: fc.nat(3),
      slots: fc.nat(4),
      epoch: fc.constantFrom(1, 1, 1, 1, 1, 2),
      draining: fc.constantFrom(false, false, false, false, false, true),
      ageMs: fc.constantFrom(0, 0, 0, 0, -6_000, -4_000, 2_000, 31_000),
      sessions: fc.nat(3),
      role: fc.constantFrom("both", "both", "both", "prefill", "decode"),
      modelHash: fc.constantFrom("h1", "h1", "h1", "h2", null),
      progress: fc.constantFrom(null, 1, 1, 2),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("policy" as const),
      profile: fc.constantFrom(...PLACEMENT_PROFILE_NAMES),
      fairness: fc.constantFrom(...Object.keys(FAIRNESS)),
      ordering: fc.constantFrom(...Object.keys(ORDERING)),
      batching: fc.constantFrom("", "", ...Object.keys(BATCHING)),
      tail: fc.constantFrom(...(Object.keys(TAILS) as (keyof typeof TAILS)[])),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constantFrom("started", "finished", "parked", "gone", "blocked", "unblocked"),
      pick,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("slice" as const),
      action: fc.constantFrom("open", "open", "open", "show", "close"),
      account: fc.constantFrom(...SLICED),
      amounts: fc.array(fc.nat(150), { minLength: 4, maxLength: 4 }),
      ttlUs: fc.constantFrom(seconds(5), seconds(100)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("limit" as const),
      account: fc.constantFrom("global", "global/local", "global/acme", "global/acme/k1"),
      unit: fc.constantFrom(...LIMIT_UNITS),
      window: fc.constantFrom("total", "day", "hour", "month"),
      amount: fc.option(fc.nat(120).map(String)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("choice" as const), pick, choice: fc.nat(3) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("left" as const), pick: fc.nat(3) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("output" as const),
      pick,
      choice: fc.constantFrom(0, 0, 0, 1, 3),
      tokens: fc.nat(7),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("failed" as const),
      pick,
      reason: fc.constantFrom(...FAILURES),
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("durable" as const), ahead: fc.nat(4) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      ms: fc.constantFrom(1, 10, 100, 1_000, 5_000, 15_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("timer" as const) }) },
);

const settings = fc.record({
  policy: fc.constantFrom(...PLACEMENT_PROFILE_NAMES),
  tail: fc.constantFrom(...(Object.keys(TAILS) as (keyof typeof TAILS)[])),
  packetTokens: fc.constantFrom(1, 4, 100),
  sessionsMax: fc.constantFrom(3, 1_000),
  kvBytesMax: fc.constantFrom(50, 1_000_000),
  queuePacketsMax: fc.constantFrom(0, 2, 100),
  retriesMax: fc.nat(2),
  /** After how many steps the process is asked to stop. */
  drainAfter: fc.option(fc.nat(149)),
});

type Settings = typeof settings extends fc.Arbitrary<infer Chosen> ? Chosen : never;

/** Plays whatever it is told, and remembers the names of all that ever was. */
class World {
  readonly #supervisor: Supervisor;
  readonly #invariants = new Invariants();
  readonly #requests: string[] = [];
  readonly #attempts: string[] = [];
  readonly #entries: LedgerEntry[] = [];
  #nowUs: Micros = 0;
  #wakeUs: Micros = Infinity;
  /** What happened and what came of it, for comparison. */
  readonly history: { nowUs: Micros; event: SupervisorEvent; effects: Effect[] }[] = [];

  constructor(config: CoreConfig) {
    this.#supervisor = new Supervisor(config);
  }

  /** Begins with three workers, so that there is somebody for things to happen to. */
  playAll(steps: readonly Step[], drainAfter: number | null): void {
    for (const worker of ["a", "b", "c"]) this.#submit(heartbeat(worker, this.#nowUs));
    for (const [index, each] of steps.entries()) {
      if (index === drainAfter) this.#submit({ kind: "drain_asked" });
      this.#play(each);
    }
  }

  #play(each: Step): void {
    if (each.kind === "wait") this.#wait(each.ms * 1_000);
    else this.#submit(this.#eventOf(each));
  }

  /** Every client goes home; nothing may be left behind. */
  end(): void {
    for (const request of this.#requests) this.#submit({ kind: "client_gone", request });
    const { requests, openHolds, sessions, kvBytes, queue } = this.#supervisor.inspect();
    const { packets, bytes } = queue;
    const left = { requests, openHolds, sessions, kvBytes, packets, bytes };
    assert.deepEqual(left, { requests: 0, openHolds: 0, sessions: 0, kvBytes: 0, packets: 0, bytes: 0 });
  }

  #wait(delayUs: Micros): void {
    const untilUs = this.#nowUs + delayUs;
    while (this.#wakeUs <= untilUs) {
      this.#nowUs = Math.max(this.#nowUs, this.#wakeUs);
      this.#wakeUs = Infinity;
      this.#submit({ kind: "timer_fired" });
    }
    this.#nowUs = untilUs;
  }

  #submit(event: SupervisorEvent): void {
    const effects = this.#supervisor.handle(this.#nowUs, event);
    this.history.push({ nowUs: this.#nowUs, event, effects });
    this.#invariants.observe(event, effects);
    this.#invariants.check(this.#supervisor.inspect());
    for (const effect of effects) {
      if (effect.kind === "wake") this.#wakeUs = effect.atUs;
      if (effect.kind === "dispatch") this.#attempts.push(effect.attempt);
      if (effect.kind === "append_ledger") this.#entries.push(effect.entry);
    }
  }

  #eventOf(each: Exclude<Step, { kind: "wait" }>): SupervisorEvent {
    switch (each.kind) {
      case "request": {
        const request = `r${this.#requests.length}`;
        this.#requests.push(request);
        const { account, ...rest } = each;
        const named = account === undefined ? {} : { account };
        return { ...requestArrived(request), ...rest, ...named, kind: "request_arrived" };
      }
      case "slice": {
        const { action, account, ttlUs } = each;
        const asked = { kind: "slice_asked", ask: `${this.history.length}`, account } as const;
        if (action !== "open") return { ...asked, action };
        const [nanoUsd, requests, inputTokens, outputTokens] = each.amounts as [
          number,
          number,
          number,
          number,
        ];
        const amounts = chargeOf({ nanoUsd: nanoUsd + 1, requests, inputTokens, outputTokens });
        return { ...asked, action, payer: "global/acme/k1", amounts, ttlUs, priority: null };
      }
      case "heartbeat": {
        const report = heartbeat(workerName(each.pick), this.#nowUs);
        const [served] = report.models;
        const models = ["m", "k"].slice(0, 1 + (each.slots % 2));
        return {
          ...report,
          timestampMs: report.receivedMs - each.ageMs,
          epoch: `${each.epoch}`,
          draining: each.draining,
          models: models.map((model) => ({
            ...served!,
            model,
            slots: each.slots,
            modelHash: each.modelHash,
            stateFingerprint: each.modelHash,
          })),
          role: each.role,
          progress: each.progress,
          sessions: each.sessions,
        };
      }
      case "left":
        return { kind: "worker_left", worker: workerName(each.pick), epoch: null, reason: "left" };
      case "started":
        return {
          kind: "attempt_started",
          attempt: this.#attempt(each.pick),
          promptTokens: each.pick,
          cachedTokens: 0,
        };
      case "output":
        return {
          kind: "attempt_output",
          attempt: this.#attempt(each.pick),
          choice: each.choice,
          tokens: each.tokens,
        };
      case "choice":
        return {
          kind: "choice_finished",
          attempt: this.#attempt(each.pick),
          choice: each.choice,
          finishReason: "stop",
        };
      case "limit":
        return { kind: "limits_changed", limits: [{ ...each }], known: knownOf(each, this.#entries) };
      case "finished": {
        const usage = { promptTokens: each.pick, cachedTokens: 0, completionTokens: each.pick };
        return { kind: "attempt_finished", attempt: this.#attempt(each.pick), finishReason: "stop", usage };
      }
      case "failed":
        return {
          kind: "attempt_failed",
          attempt: this.#attempt(each.pick),
          reason: each.reason,
          message: "It broke.",
        };
      case "gone":
        return { kind: "client_gone", request: this.#request(each.pick) };
      case "blocked":
        return { kind: "client_blocked", request: this.#request(each.pick) };
      case "unblocked":
        return { kind: "client_drained", request: this.#request(each.pick) };
      case "parked":
        return { kind: "attempt_parked", attempt: this.#attempt(each.pick), hasState: each.pick % 2 === 0 };
      case "policy": {
        const { placement, queueing } = schedulingFor(each.profile, each.tail);
        const [fairness, ordering] = [each.fairness, each.ordering].map((name) => ({ name, parameters: {} }));
        const scheduling = {
          placement,
          queueing: {
            ...queueing,
            fairness: fairness!,
            ordering: ordering!,
            batching: batchingOf(each.batching),
          },
          tail: TAILS[each.tail],
        };
        return { kind: "policy_set", scheduling };
      }
      case "durable":
        return { kind: "ledger_durable", through: Math.max(0, this.#entries.length - 2 + each.ahead) };
      case "timer":
        return { kind: "timer_fired" };
    }
  }

  /** One of the latest, so that most of the time it still runs; or one that never was. */
  #attempt(index: number): string {
    return this.#attempts.at(-1 - index) ?? "never/0#1";
  }

  #request(index: number): string {
    return this.#requests.at(-1 - index) ?? "never";
  }
}

/** Three workers, and the remote, which sends no heartbeats but somebody could in its name. */
function workerName(index: number): string {
  return ["a", "b", "c", "cloud"][index]!;
}

const plays = fc.record({ settings, steps: fc.array(step, { maxLength: 150, size: "max" }) });

/** Three bands, and long prompts for `prefill` workers. */
function schedulingFor(profile: string, tail: keyof typeof TAILS): Scheduling {
  const usual = schedulingOf(profile);
  const [band] = usual.queueing.bands;
  const bands = ["high", "normal", "low"].map((name) => ({ ...band!, name }));
  return {
    ...usual,
    placement: { ...usual.placement, splitTokensMin: 8, canary: { profile: "random", share: 0.2 } },
    queueing: { ...usual.queueing, bands },
    tail: TAILS[tail],
  };
}

function batchingOf(name: string): PolicyChoice | null {
  return name === "" ? null : { name, parameters: {} };
}

function configOf(chosen: Settings): CoreConfig {
  const config = coreConfig();
  const { policy, tail, packetTokens, sessionsMax, kvBytesMax, queuePacketsMax, retriesMax } = chosen;
  Object.assign(config.limits, { sessionsMax, kvBytesMax, queuePacketsMax });
  config.remotes.push({ name: "cloud", models: ["k"], concurrencyMax: 2, contextTokens: 1_000, labels: {} });
  config.heartbeats.staleUs = seconds(12);
  return { ...config, scheduling: schedulingFor(policy, tail), packetTokens, retriesMax };
}

test("whatever happens, in whatever order, invariants hold and nothing is left behind", () => {
  fc.assert(
    fc.property(plays, ({ settings: chosen, steps }) => {
      const world = new World(configOf(chosen));
      world.playAll(steps, chosen.drainAfter);
      world.end();
    }),
    { numRuns: 1_000 },
  );
});

test("the same events at the same times, read back from a file, have the same effects", () => {
  fc.assert(
    fc.property(plays, ({ settings: chosen, steps }) => {
      const world = new World(configOf(chosen));
      world.playAll(steps, chosen.drainAfter);
      const replayed = new Supervisor(JSON.parse(JSON.stringify(configOf(chosen))) as CoreConfig);
      for (const { nowUs, event, effects } of JSON.parse(
        JSON.stringify(world.history),
      ) as typeof world.history) {
        assert.deepEqual(JSON.parse(JSON.stringify(replayed.handle(nowUs, event))), effects);
      }
    }),
  );
});
