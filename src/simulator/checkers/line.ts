import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { CoreConfig, Scheduling } from "../../core/config.ts";
import type { Dispatch, Effect } from "../../core/effects.ts";
import type { RequestArrived, SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { choiceOf, packetOf, requestOf } from "../ids.ts";
import type { WorkerSpec } from "../scenario.ts";
import type { Checker, Violate } from "./checker.ts";
import { servedName } from "./names.ts";
import type { WatchedPacket } from "./lifecycle.ts";

/** So many are looked at in any case, if all were of one flow and nothing was found for any of them. */
const LOOKED_AT = 8;

/** What a packet takes up. */
interface Need {
  model: string;
  places: number;
  /** In each place. */
  tokens: number;
}

/**
 * First come, first served, among packets for one model that have not been tried before: where there is no room for
 * the first, one behind it may go before, but none that needs as much. Has to look at each step before
 * `LifecycleChecker`, which takes those that are served out of the line.
 */
export class LineChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #waiting: () => ReadonlySet<WatchedPacket>;
  /** In order. */
  readonly #arrivals = new Map<string, { number: number; event: RequestArrived }>();
  #arrived = 0;
  /** Workers that stop at a token: only they take whatever is sent to any of them. */
  readonly #stoppable: ReadonlySet<string>;
  #isFirstCome: boolean;

  constructor(
    config: CoreConfig,
    sources: { waiting: () => ReadonlySet<WatchedPacket>; workers: readonly WorkerSpec[] },
    violate: Violate,
  ) {
    this.#config = config;
    this.#waiting = sources.waiting;
    this.#violate = violate;
    this.#isFirstCome = isFirstCome(config.scheduling);
    const stoppable = sources.workers.filter(({ dialect, isRemote }) => dialect === "headgate" && !isRemote);
    this.#stoppable = new Set(stoppable.map(({ id }) => id));
  }

  event(_nowUs: Micros, event: SupervisorEvent): void {
    if (event.kind === "request_arrived")
      this.#arrivals.set(event.request, { number: ++this.#arrived, event });
    // Those who wait keep the places that they had.
    if (event.kind === "policy_set") this.#isFirstCome = false;
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    const left = new Set<string>();
    for (const effect of effects) {
      switch (effect.kind) {
        case "append_ledger":
          if (isClosing(effect.entry)) left.add(packetOf(effect.entry.hold));
          break;
        case "dispatch":
          if (this.#isFirstCome && this.#stoppable.has(effect.worker)) this.#check(effect, left);
          left.add(packetOf(effect.attempt));
          break;
        case "request_settled":
          this.#arrivals.delete(effect.record.request);
          break;
        default:
      }
    }
  }

  #check(dispatch: Dispatch, left: ReadonlySet<string>): void {
    const { request, attempt, model, choices, maxTokens } = dispatch;
    // One that has been tried goes before those that have not.
    if (!attempt.endsWith("#1") || this.#waiting().size > LOOKED_AT) return;
    const packet = packetOf(attempt);
    const { number, event } = this.#arrivals.get(request)!;
    const tokens = event.promptTokensMax + maxTokens;
    for (const { id, attempts } of this.#waiting()) {
      if (id === packet) return;
      if (attempts > 0 || left.has(id)) continue;
      // Its hold was there before, and its client after.
      if (this.#arrivals.get(requestOf(id))!.number > number) continue;
      const need = this.#needOf(id);
      if (need.model !== model || need.places > choices || need.tokens > tokens) continue;
      this.#violate(request, `${packet} is served before ${id}, which came first`);
    }
  }

  /** The most that it can be: what the core has planned may be less. */
  #needOf(id: string): Need {
    const { event: arrival } = this.#arrivals.get(requestOf(id))!;
    const model = servedName(arrival.model, this.#config);
    const ceiling = arrival.maxTokens ?? this.#config.models[model]?.maxTokensDefault ?? Infinity;
    return { model, places: arrival.choices - choiceOf(id), tokens: arrival.promptTokensMax + ceiling };
  }
}

function isFirstCome({ queueing }: Scheduling): boolean {
  const { bands, fairness, ordering, batching, caps } = queueing;
  const isPlain = bands.length === 1 && batching === null && Object.keys(caps).length === 0;
  return isPlain && fairness.name === "fcfs-flows" && ordering.name === "fcfs";
}

function isClosing({ operation }: LedgerEntry): boolean {
  return operation === "post" || operation === "void";
}
