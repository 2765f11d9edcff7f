import type { Effect } from "../core/effects.ts";
import type { SettledRecord } from "../core/settling/record.ts";
import type { Micros } from "../core/units.ts";
import { isHedge, packetOf, sliceOf } from "./ids.ts";

/** Of a set of times, in milliseconds; null when there are none. */
export interface Percentiles {
  p50: number;
  p95: number;
  p99: number;
}

/** Counts what the requests of a run came to. */
export class Tally {
  readonly #outcomes = new Map<string, number>();
  readonly #errors = new Map<string, number>();
  readonly #ttftUs: Micros[] = [];
  readonly #totalUs: Micros[] = [];
  readonly #money = new Map<string, number>();
  readonly #mechanisms = new Map<string, number>();
  #retries = 0;

  add(record: SettledRecord): void {
    count(this.#outcomes, record.outcome);
    if (record.code !== null) {
      count(this.#errors, record.reason === null ? record.code : `${record.code}/${record.reason}`);
    }
    if (record.ttftUs !== null) this.#ttftUs.push(record.ttftUs);
    if (record.outcome === "completed") this.#totalUs.push(record.totalUs);
    this.#retries += Math.max(0, record.attempts - record.packets);
  }

  effects(effects: readonly Effect[]): void {
    for (const effect of effects) {
      const money = moneyOf(effect);
      if (money !== null) count(this.#money, money);
      const mechanism = mechanismOf(effect);
      if (mechanism !== null) count(this.#mechanisms, mechanism);
    }
  }

  /** What happened to money that does not happen to every request. */
  get money(): Record<string, number> {
    return sorted(this.#money);
  }

  /** What was done about slow and broken endpoints. */
  get mechanisms(): Record<string, number> {
    return sorted(this.#mechanisms);
  }

  /** Attempts beyond the first of each packet. */
  get retries(): number {
    return this.#retries;
  }

  /** Requests by how they ended. */
  get outcomes(): Record<string, number> {
    return sorted(this.#outcomes);
  }

  /** Failed requests by `code` or `code/reason`. */
  get errors(): Record<string, number> {
    return sorted(this.#errors);
  }

  get ttftMs(): Percentiles | null {
    return percentiles(this.#ttftUs);
  }

  get totalMs(): Percentiles | null {
    return percentiles(this.#totalUs);
  }
}

function moneyOf(effect: Effect): string | null {
  switch (effect.kind) {
    case "append_ledger": {
      const { operation, inDoubt, overage, hold } = effect.entry;
      if (sliceOf(hold) !== null) return operation === "reserve" ? "slices opened" : "slices closed";
      if (inDoubt) return "holds in doubt";
      if (overage !== null) return "overages";
      if (operation === "adjust") return "holds in doubt that receipts put right";
      return null;
    }
    case "answer_slice":
      return effect.error === null ? null : `slices refused, ${effect.error.code}`;
    case "fail_request":
      return effect.error.code.startsWith("budget_") ? "refusals" : null;
    case "grant_credit":
      return "grants of more credit";
    case "finish_answer":
      return effect.shortage === null ? null : "answers that a limit cut short";
    default:
      return null;
  }
}

function mechanismOf(effect: Effect): string | null {
  switch (effect.kind) {
    case "append_ledger": {
      const { operation, hold } = effect.entry;
      const isPackets = operation === "reserve" && sliceOf(hold) === null;
      return isPackets && isHedge(packetOf(hold)) ? "hedges" : null;
    }
    case "dispatch": {
      const { resume, isPrefillOnly } = effect;
      if (isPrefillOnly) return "prompts read for others";
      if (resume === null) return null;
      const how = resume.stateOn === null ? "read again" : "with their KV state";
      return `${resume.tokens === 0 ? "prompts handed over" : "answers that went on elsewhere"}, ${how}`;
    }
    case "park_attempt":
      return effect.reason === "draining" ? "answers asked to leave" : "answers that gave way";
    case "cancel_attempt":
      if (effect.reason === "stalled") return "attempts taken from engines at a standstill";
      if (effect.reason !== "hedge_lost") return null;
      return isHedge(packetOf(effect.attempt)) ? "hedges that lost" : "hedges that won";
    case "worker_changed":
      return WORKERS[effect.reason] ?? null;
    default:
      return null;
  }
}

/** What has become of workers, by the reason that is given. */
const WORKERS: Readonly<Record<string, string>> = {
  restarted: "workers that came back as another process",
  "no progress": "engines found at a standstill",
  "no heartbeat": "workers found silent",
};

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** By nearest rank: the smallest time that at least that share of all times do not exceed. */
function percentiles(timesUs: readonly Micros[]): Percentiles | null {
  if (timesUs.length === 0) return null;
  const ascending = Float64Array.from(timesUs).sort();
  const rank = (share: number): number => ascending[Math.ceil(share * ascending.length) - 1]! / 1_000;
  return { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99) };
}
