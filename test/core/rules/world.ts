import assert from "node:assert/strict";
import type { LedgerState } from "../../../src/core/budget/accounts.ts";
import { type Charge, NOTHING } from "../../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../../src/core/budget/ledger-entry.ts";
import type { LimitRow } from "../../../src/core/budget/limits.ts";
import type { CoreConfig, RemoteConfig } from "../../../src/core/config.ts";
import type { Dispatch, Effect } from "../../../src/core/effects.ts";
import type { RequestArrived, SupervisorEvent } from "../../../src/core/events.ts";
import { Supervisor } from "../../../src/core/supervisor.ts";
import { type Micros, seconds } from "../../../src/core/units.ts";
import type { FailureReason, TokenUsage } from "../../../src/core/vocabulary.ts";
import { coreConfig, heartbeat, knownOf, requestArrived } from "../fixtures.ts";

/** More than the requests of one test take. */
export const SLOTS = 16;

/** As in other tests, but nobody loses patience. */
export function patientConfig(changes: Partial<CoreConfig> = {}): CoreConfig {
  const config = coreConfig();
  const neverUs = seconds(1_000_000);
  const timeouts = { queueUs: neverUs, prefillUs: neverUs, stallUs: neverUs, totalUs: neverUs };
  Object.assign(config.timeouts, timeouts, { slowClientUs: neverUs });
  Object.assign(config.heartbeats, { staleUs: neverUs, deadUs: neverUs });
  return { ...config, ...changes };
}

/** A whole core, and what it has asked for. What it writes is on the disk at once, unless `holdBack` is set. */
export class World {
  /** Serves the model `m` with no more than this said. */
  static readonly remote: RemoteConfig = {
    name: "cloud",
    models: ["m"],
    concurrencyMax: 100,
    contextTokens: 1_000,
    labels: {},
  };

  readonly entries: LedgerEntry[] = [];
  readonly effects: Effect[] = [];
  readonly attempts: Dispatch[] = [];
  holdBack = false;
  nowUs: Micros = 0;
  readonly #supervisor: Supervisor;
  #durable = 0;
  #wakeUs: Micros = Infinity;
  #requests = 0;

  constructor(config: CoreConfig) {
    this.#supervisor = new Supervisor(config);
  }

  get openHolds(): number {
    return this.#supervisor.inspect().openHolds;
  }

  /** The last entry that is known to be on the disk. */
  get durable(): number {
    return this.#durable;
  }

  /** Returns what came of it, and of what it wrote being on the disk. */
  send(event: SupervisorEvent): Effect[] {
    const effects = this.#supervisor.handle(this.nowUs, event);
    this.effects.push(...effects);
    for (const effect of effects) {
      if (effect.kind === "wake") this.#wakeUs = effect.atUs;
      if (effect.kind === "dispatch") this.attempts.push(effect);
      if (effect.kind === "append_ledger") this.entries.push(effect.entry);
    }
    return this.holdBack ? effects : [...effects, ...this.sync()];
  }

  /** What has been written survives from now on. */
  sync(): Effect[] {
    const through = this.entries.at(-1)?.sequence ?? 0;
    if (through <= this.#durable) return [];
    this.#durable = through;
    return this.send({ kind: "ledger_durable", through });
  }

  /** Starts with what another one has left on the disk. */
  restore(state: LedgerState, limits: LimitRow[]): Effect[] {
    this.#durable = state.sequence;
    return this.send({ kind: "ledger_restored", state, limits });
  }

  join(worker: string, { gpus = 0 }: { gpus?: number } = {}): Effect[] {
    const report = heartbeat(worker, this.nowUs);
    return this.send({ ...report, models: report.models.map((model) => ({ ...model, slots: SLOTS, gpus })) });
  }

  limit(row: LimitRow): Effect[] {
    return this.send({ kind: "limits_changed", limits: [row], known: knownOf(row, this.entries) });
  }

  /** Returns its name. */
  request(changes: Partial<RequestArrived> = {}): string {
    const request = `r${this.#requests++}`;
    this.send({ ...requestArrived(request), ...changes });
    return request;
  }

  start(attempt: string, promptTokens: number): Effect[] {
    return this.send({ kind: "attempt_started", attempt, promptTokens, cachedTokens: 0 });
  }

  output(attempt: string, tokens: number, choice = 0): Effect[] {
    return this.send({ kind: "attempt_output", attempt, choice, tokens });
  }

  finish(attempt: string, usage: TokenUsage): Effect[] {
    return this.send({ kind: "attempt_finished", attempt, finishReason: "stop", usage });
  }

  fail(attempt: string, reason: FailureReason): Effect[] {
    return this.send({ kind: "attempt_failed", attempt, reason, message: "It broke." });
  }

  /** Time goes by; timers that are due on the way fire at their own times. */
  wait(us: Micros): Effect[] {
    const untilUs = this.nowUs + us;
    const from = this.effects.length;
    while (this.#wakeUs <= untilUs) {
      this.nowUs = Math.max(this.nowUs, this.#wakeUs);
      this.#wakeUs = Infinity;
      this.send({ kind: "timer_fired" });
    }
    this.nowUs = untilUs;
    return this.effects.slice(from);
  }

  /** The attempt that was sent last. */
  get attempt(): Dispatch {
    const last = this.attempts.at(-1);
    assert(last !== undefined, "something was sent");
    return last;
  }

  /** What was posted for the request, all its packets together. */
  chargedTo(request: string): Charge {
    const posts = this.entries.filter(({ operation, hold }) => {
      return (operation === "post" || operation === "adjust") && hold.startsWith(`${request}/`);
    });
    return sumOf(posts.map(({ charge }) => charge));
  }

  effectsOf<K extends Effect["kind"]>(kind: K): Extract<Effect, { kind: K }>[] {
    return this.effects.filter((effect): effect is Extract<Effect, { kind: K }> => effect.kind === kind);
  }
}

/** At the prices of the tests: one nano-USD for a token of prompt, and two for one of the answer. */
export function chargedFor(used: {
  promptTokens: number;
  completionTokens: number;
  requests?: number;
}): Charge {
  const { promptTokens, completionTokens, requests = 1 } = used;
  return {
    ...NOTHING,
    nanoUsd: promptTokens + 2 * completionTokens,
    inputTokens: promptTokens,
    outputTokens: completionTokens,
    requests,
  };
}

export function sumOf(charges: readonly Charge[]): Charge {
  const sum = { ...NOTHING };
  for (const charge of charges) {
    for (const key of Object.keys(sum) as (keyof Charge)[]) sum[key] += charge[key];
  }
  return sum;
}
