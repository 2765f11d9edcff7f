import type { Charge } from "../../core/budget/charge.ts";
import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { Price } from "../../core/budget/money.ts";
import type { CoreConfig } from "../../core/config.ts";
import type { BudgetView, Effect, FailRequest, FinishAnswer } from "../../core/effects.ts";
import type { RequestArrived, SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { choiceOf, packetOf, requestOf, sliceOf } from "../ids.ts";
import type { Checker, Violate } from "./checker.ts";
import type { Knowledge } from "./knowledge.ts";
import type { WatchedPacket } from "./lifecycle.ts";
import { pricedAtMost, priceInForce } from "./prices.ts";
import { leftFor, type Room, shown } from "./room.ts";

interface Watched {
  arrival: RequestArrived;
  account: string;
  priority: string | null;
  price: Price;
}

/**
 * What clients are told of their budgets, slices among them, and when: what is said to be left is left; nobody is refused or
 * cut short where there was room; nobody waits for a budget that has room again, nor longer than it wanted to, nor below
 * a slice that is closed.
 */
export class BudgetsChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #room: Room;
  readonly #knowledge: () => Pick<Knowledge, "workers">;
  readonly #unfunded: () => ReadonlySet<WatchedPacket>;
  readonly #requests = new Map<string, Watched>();
  /** Credit of each streamed attempt that may be granted more, until one of its choices is cut short. */
  readonly #credits = new Map<string, { choices: number; tokens: number; maxTokens: number }>();
  /** How long an answer may be by thresholds, as of when its packet's open hold was taken. */
  readonly #ceilings = new Map<string, number>();
  #isOutput = false;
  #nowUs: Micros = 0;

  constructor(
    config: CoreConfig,
    sources: {
      room: Room;
      knowledge: () => Pick<Knowledge, "workers">;
      unfunded: () => ReadonlySet<WatchedPacket>;
    },
    violate: Violate,
  ) {
    this.#config = config;
    this.#room = sources.room;
    this.#knowledge = sources.knowledge;
    this.#unfunded = sources.unfunded;
    this.#violate = violate;
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    this.#nowUs = nowUs;
    this.#isOutput = event.kind === "attempt_output";
    if (event.kind !== "request_arrived") return;
    const { tenant, key, model } = event;
    const account = event.account ?? ["global", tenant, ...(key === null ? [] : [key])].join("/");
    const price = priceInForce(model, this.#config, nowUs);
    const { priority } = event.hints;
    if (price !== null) this.#requests.set(event.request, { arrival: event, account, priority, price });
  }

  /** One at a time: what is left changes with each entry in between. */
  effect(effect: Effect): void {
    switch (effect.kind) {
      case "append_ledger":
        return this.#noteCeiling(effect.entry);
      case "budget_told":
      case "finish_request":
        return this.#checkViews(effect.request, effect.budgets);
      case "fail_request":
        return this.#checkRefusal(effect);
      case "dispatch": {
        const { attempt, request, choices, creditTokens: tokens, maxTokens, resume } = effect;
        if (resume === null && maxTokens > (this.#ceilings.get(packetOf(attempt)) ?? Infinity)) {
          this.#violate(
            request,
            `${attempt} may have ${maxTokens} tokens, beyond a threshold that shortens it`,
          );
        }
        const isStreamed = this.#requests.get(request)?.arrival.streamed === true;
        if (isStreamed && tokens < maxTokens) this.#credits.set(attempt, { choices, tokens, maxTokens });
        return;
      }
      case "grant_credit": {
        const credit = this.#credits.get(effect.attempt);
        if (credit !== undefined) credit.tokens = effect.creditTokens;
        return;
      }
      case "finish_answer":
        return this.#checkCut(effect);
      case "cancel_attempt":
        this.#credits.delete(effect.attempt);
        return;
      case "request_settled":
        this.#requests.delete(effect.record.request);
        return;
      default:
    }
  }

  /** After the effects of an event. */
  stepped(): void {
    const waiting = [...this.#unfunded()];
    for (const { id } of waiting) {
      const closed = this.#closedAbove(this.#requests.get(requestOf(id)));
      if (closed !== null) this.#violate(requestOf(id), `${id} waits below ${closed}, which is closed`);
    }
    if (waiting.length === 0 || !waiting.every((packet) => this.#fits(packet))) return;
    // Later packets of a request may wait before them, and can't be seen.
    for (const { arrival } of this.#requests.values()) if (arrival.choices > 1) return;
    this.#violate(requestOf(waiting[0]!.id), `${waiting[0]!.id} waits for a budget that has room for it`);
  }

  // ── what clients are told ──────────────────────────────────────────────────────────────

  #checkViews(request: string, views: readonly BudgetView[]): void {
    const watched = this.#requests.get(request);
    if (watched === undefined) return this.#violate(request, "is told of a budget after its end");
    const told = views.map(lineOf).sort();
    const expected = this.#room
      .boundsOn(watched, this.#nowUs)
      .map(({ amount, left, ...bound }) => {
        return lineOf({ ...bound, limit: shown(bound.unit, amount), remaining: shown(bound.unit, left) });
      })
      .toArray()
      .sort();
    if (told.join() === expected.join()) return;
    this.#violate(request, `is told that there is ${told.join(", ")}, not ${expected.join(", ")}`);
  }

  #checkRefusal({ request, error }: FailRequest): void {
    const watched = this.#requests.get(request);
    if (error.code === "account_closed") {
      const closed = this.#closedAbove(watched);
      if (closed === null || closed !== error.account) {
        this.#violate(request, `is told that ${error.account} is closed, not ${closed}`);
      }
      return;
    }
    if (error.code !== "budget_exhausted" && error.code !== "budget_insufficient") return;
    if (watched === undefined) return this.#violate(request, "is refused for want of money after its end");
    const most = this.#firstNeed(watched, watched.arrival.choices);
    const problem = this.#room.problemOf(error, { ...watched, charge: most }, this.#nowUs);
    if (problem !== null) this.#violate(request, problem);
  }

  #closedAbove(watched: Watched | undefined): string | null {
    return watched === undefined ? null : this.#room.ledger.book.slices.closedAbove(watched.account);
  }

  #noteCeiling({ operation, hold, account, charge }: LedgerEntry): void {
    if (sliceOf(hold) !== null) return;
    const packet = packetOf(hold);
    if (operation === "post" || operation === "void") this.#ceilings.delete(packet);
    if (operation !== "reserve") return;
    const ceilings = this.#room.ceilingsBefore({ account, charge }, this.#nowUs);
    if (ceilings.length > 0) this.#ceilings.set(packet, Math.min(...ceilings));
  }

  /** An answer that ends at the edge of its credit ends there because not one token more would have fitted. */
  #checkCut({ request, attempt, shortage }: FinishAnswer): void {
    const credit = this.#credits.get(attempt);
    const watched = this.#requests.get(request);
    if (!this.#isOutput || credit === undefined || watched === undefined) return;
    if (credit.tokens >= credit.maxTokens || shortage === null) return;
    // Those that end after it do so at the same token, whatever has come free by then.
    this.#credits.delete(attempt);
    const bound = this.#room.named(watched, shortage, this.#nowUs);
    if (bound === undefined) {
      if (this.#closedAbove(watched) === shortage.account) return;
      return this.#violate(request, "is cut short by a limit that it does not have");
    }
    const needOf = (tokens: number): number => {
      return bound.asked(need(watched, { tokens: tokens * credit.choices, requests: 0 }));
    };
    const more = needOf(credit.tokens + 1) - needOf(credit.tokens);
    // What is asked for at once is rounded up once, so one token more can come to a nano-USD less.
    const left = leftFor(bound);
    if (more + 1 < left)
      this.#violate(request, `is cut short of ${more} ${bound.unit} where ${left} are left`);
  }

  // ── those who wait ─────────────────────────────────────────────────────────────────────

  #fits({ id, attempts }: WatchedPacket): boolean {
    const watched = this.#requests.get(requestOf(id));
    if (watched === undefined) return false;
    const most = this.#firstNeed(watched, watched.arrival.choices - choiceOf(id));
    const charge = { ...most, requests: attempts === 0 ? most.requests : 0 };
    return this.#room.fits({ ...watched, charge }, this.#nowUs);
  }

  /** The most that a packet with so many choices needs to start. */
  #firstNeed(watched: Watched, choices: number): Charge {
    const { maxTokens } = watched.arrival;
    const tokens = Math.min(this.#config.packetTokens, maxTokens ?? Infinity);
    return { ...need(watched, { tokens: tokens * choices, requests: 1 }), gpuUs: this.#gpuNeed(choices) };
  }

  /** No place that there ever was is more of a GPU. */
  #gpuNeed(choices: number): number {
    const ofWorkers = [...this.#knowledge().workers.values()].flatMap(({ models }) => models);
    const ofRemotes = this.#config.remotes.map(({ gpus, concurrencyMax: slots }) => ({ gpus, slots }));
    const places = [...ofWorkers, ...ofRemotes].map(({ gpus = 0, slots }) => gpus / slots);
    return Math.ceil(this.#config.gpuPacketUs * Math.max(0, ...places) * choices);
  }
}

function need(
  { arrival, price }: Watched,
  { tokens, requests }: { tokens: number; requests: number },
): Charge {
  const { promptTokensMax } = arrival;
  return {
    nanoUsd: pricedAtMost(price, promptTokensMax, tokens) + requests * price.request,
    inputTokens: promptTokensMax,
    cachedTokens: 0,
    outputTokens: tokens,
    reasoningTokens: 0,
    requests,
    gpuUs: 0,
  };
}

/** A limit as somebody is told of it. */
function lineOf({
  account,
  unit,
  window,
  limit,
  remaining,
}: Pick<BudgetView, "account" | "unit" | "window" | "limit" | "remaining">): string {
  return `${remaining} of ${limit} ${unit} per ${window} of ${account}`;
}
