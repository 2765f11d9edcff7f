import type { Charge } from "../../core/budget/charge.ts";
import { formatAmount, type LimitRow, type LimitUnit } from "../../core/budget/limits.ts";
import { parseUsd, type Price } from "../../core/budget/money.ts";
import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { CoreConfig } from "../../core/config.ts";
import type { BudgetView, Effect, FailRequest, FinishAnswer } from "../../core/effects.ts";
import type { HeadgateError } from "../../core/errors.ts";
import type { RequestArrived, SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { choiceOf, packetOf, requestOf } from "../ids.ts";
import { amountFor, ceilingsAt } from "./amounts.ts";
import { amountOf, type Book } from "./book.ts";
import type { Checker, Violate } from "./checker.ts";
import type { Knowledge } from "./knowledge.ts";
import type { WatchedPacket } from "./lifecycle.ts";
import { pricedAtMost, priceInForce } from "./prices.ts";

/** What the ledger's checker knows at any moment. */
export interface Ledger {
  readonly book: Book;
  readonly clockUs: Micros;
  limitsOf(account: string): LimitRow[];
}

interface Watched {
  arrival: RequestArrived;
  account: string;
  price: Price;
}

/**
 * What clients are told of their budgets, and when: what is said to be left is left; nobody is
 * refused or cut short where there was room; nobody waits for a budget that has room again, nor
 * longer than it wanted to.
 */
export class BudgetsChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #ledger: Ledger;
  readonly #knowledge: () => Pick<Knowledge, "scheduling">;
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
      ledger: Ledger;
      knowledge: () => Pick<Knowledge, "scheduling">;
      unfunded: () => ReadonlySet<WatchedPacket>;
    },
    violate: Violate,
  ) {
    this.#config = config;
    this.#ledger = sources.ledger;
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
    if (price !== null) this.#requests.set(event.request, { arrival: event, account, price });
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
    if (waiting.length === 0 || !waiting.every((packet) => this.#fits(packet))) return;
    // Later packets of a request may wait before them, and can't be seen.
    for (const { arrival } of this.#requests.values()) if (arrival.choices > 1) return;
    this.#violate(requestOf(waiting[0]!.id), `${waiting[0]!.id} waits for a budget that has room for it`);
  }

  // ── what clients are told ──────────────────────────────────────────────────────────────

  #checkViews(request: string, views: readonly BudgetView[]): void {
    const watched = this.#requests.get(request);
    if (watched === undefined) return this.#violate(request, "is told of a budget after its end");
    const limits = this.#ledger.limitsOf(watched.account);
    if (views.length !== limits.length) {
      return this.#violate(request, `is told of ${views.length} limits, and there are ${limits.length}`);
    }
    for (const { account, unit, window, limit, remaining } of views) {
      const row = limits.find((l) => l.account === account && l.unit === unit && l.window === window);
      const expected = row === undefined ? null : formatAmount(unit, BigInt(this.#left(row)));
      if (expected === remaining && row !== undefined && formatAmount(unit, BigInt(row.amount!)) === limit) {
        continue;
      }
      this.#violate(request, `is told that ${remaining} ${unit} of ${account} are left, not ${expected}`);
    }
  }

  #checkRefusal({ request, error }: FailRequest): void {
    if (error.code !== "budget_exhausted" && error.code !== "budget_insufficient") return;
    const watched = this.#requests.get(request);
    const limit = watched === undefined ? undefined : this.#named(watched, error);
    if (watched === undefined || limit === undefined) {
      return this.#violate(request, `is refused for a limit that it does not have: ${JSON.stringify(error)}`);
    }
    const { unit, window } = limit;
    const needed = parse(unit, error.needed!);
    const amount = this.#amountFor(watched, limit);
    const remaining = this.#leftOf(watched, limit);
    if (needed <= remaining) {
      this.#violate(request, `is refused ${needed} ${unit} where ${remaining} are left`);
    }
    if (parse(unit, error.remaining!) !== remaining) {
      this.#violate(request, `is told that ${error.remaining} ${unit} are left, not ${remaining}`);
    }
    const most = amountOf(unit, this.#firstNeed(watched, watched.arrival.choices));
    if (needed > most) this.#violate(request, `is said to need ${needed} ${unit}, and needs ${most} at most`);
    const { posted } = this.#used(limit);
    const fitsOncePosted = posted + needed <= amount;
    const isPermanent = needed > amount || (window === "total" && !fitsOncePosted);
    if (isPermanent !== (error.code === "budget_insufficient")) {
      this.#violate(request, `is told ${error.code} where ${posted} ${unit} of ${limit.amount} are posted`);
    }
  }

  #named({ account }: Watched, { account: name, limit }: HeadgateError): LimitRow | undefined {
    return this.#ledger.limitsOf(account).find((row) => {
      return row.account === name && row.unit === limit?.unit && row.window === limit.window;
    });
  }

  #noteCeiling({ operation, hold, account, charge }: LedgerEntry): void {
    const packet = packetOf(hold);
    if (operation === "post" || operation === "void") this.#ceilings.delete(packet);
    if (operation !== "reserve") return;
    const ceilings = this.#ledger.limitsOf(account).flatMap((limit) => {
      const { posted, held } = this.#used(limit);
      // The entry is counted by now.
      const before = posted + held - amountOf(limit.unit, charge);
      return ceilingsAt(limit, before);
    });
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
    const { account, unit, window } = shortage;
    const limit = this.#ledger.limitsOf(watched.account).find((row) => {
      return row.account === account && row.unit === unit && row.window === window;
    });
    if (limit === undefined) return this.#violate(request, `is cut short by a limit that it does not have`);
    const needOf = (tokens: number): number => {
      return amountOf(unit, need(watched, { tokens: tokens * credit.choices, requests: 0 }));
    };
    const more = needOf(credit.tokens + 1) - needOf(credit.tokens);
    // What is asked for at once is rounded up once, so one token more can come to a nano-USD less.
    const left = this.#leftOf(watched, limit);
    if (more + 1 < left) this.#violate(request, `is cut short of ${more} ${unit} where ${left} are left`);
  }

  // ── those who wait ─────────────────────────────────────────────────────────────────────

  #fits({ id, attempts }: WatchedPacket): boolean {
    const watched = this.#requests.get(requestOf(id));
    if (watched === undefined) return false;
    const most = this.#firstNeed(watched, watched.arrival.choices - choiceOf(id));
    return this.#ledger.limitsOf(watched.account).every((limit) => {
      const needed = amountOf(limit.unit, { ...most, requests: attempts === 0 ? most.requests : 0 });
      return needed === 0 || needed <= this.#leftOf(watched, limit);
    });
  }

  /** What is left for requests of its priority. */
  #leftOf(watched: Watched, limit: LimitRow): number {
    return this.#left(limit) - (Number(limit.amount) - this.#amountFor(watched, limit));
  }

  /** What of the limit is there for requests of its priority. */
  #amountFor({ arrival }: Watched, limit: LimitRow): number {
    return amountFor(limit, arrival.hints.priority, this.#knowledge().scheduling.queueing);
  }

  /** The most that a packet with so many choices needs to start. */
  #firstNeed(watched: Watched, choices: number): Charge {
    const { maxTokens } = watched.arrival;
    const tokens = Math.min(this.#config.packetTokens, maxTokens ?? Infinity);
    return need(watched, { tokens: tokens * choices, requests: 1 });
  }

  #left(limit: LimitRow): number {
    const { posted, held } = this.#used(limit);
    return Number(limit.amount) - posted - held;
  }

  #used({ account, unit, window }: LimitRow): { posted: number; held: number } {
    const atUs = Math.max(this.#nowUs, this.#ledger.clockUs);
    const { posted, held } = this.#ledger.book.used(account, window, atUs);
    return { posted: amountOf(unit, posted), held: amountOf(unit, held) };
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
  };
}

function parse(unit: LimitUnit, amount: string): number {
  if (unit !== "usd") return Number(amount);
  const sign = amount.startsWith("-") ? -1 : 1;
  return sign * Number(parseUsd(amount.replace("-", "")));
}
