import type { LimitRow } from "../../core/budget/limits.ts";
import type { Effect } from "../../core/effects.ts";
import { NO_HINTS } from "../../core/events.ts";
import type { Random } from "../../core/random.ts";
import { type Micros, seconds } from "../../core/units.ts";
import { amountFor } from "../checkers/amounts.ts";
import { amountOf, isAtOrBelow } from "../checkers/book.ts";
import type { Order, VirtualClients } from "../clients.ts";
import type { VirtualDisk } from "../disk.ts";
import { requestOf } from "../ids.ts";
import type { Replica } from "./replica.ts";
import { LastSlice, type Target } from "./last-slice.ts";
import { PROBE_MODEL, probeWorker } from "./probe-worker.ts";
import type { WorkerSpec } from "../scenario.ts";
import type { SharedSuite } from "./shared-suite.ts";

/** So many limits of a world are tried. */
const LIMITS_TRIED = 3;
/** Requests, or tokens of an answer, that are asked for to use a limit up; above that it is left alone. */
const REQUESTS_MAX = 8;
const ANSWER_TOKENS_MAX = 300;
/** What a single request may come to. */
const AMOUNT_MAX = 1e14;

/** Until everybody has heard of a worker, or of a limit. */
const HEARD_US: Micros = seconds(10);
/** So much the clock of a supervisor may be behind that of the ledger. */
const BEHIND_US: Micros = seconds(3);
/** Until a request must have its hold, or its refusal. */
const ANSWERED_US: Micros = seconds(30);

/** What there is of a limit. */
interface Left {
  least: number;
  most: number;
}

interface Fate {
  /** What has become of it: null as long as nobody knows. */
  verdict: "held" | "refused" | "turned away" | null;
  completionTokens: number;
  isOver: boolean;
  /** For reasons that have nothing to do with money. */
  hasFailed: boolean;
}

/**
 * At the end of a world, when nothing else is going on: whatever the ledger says is left of a limit is given to one
 * request at any one supervisor, whichever of them has leased it, and not one unit more.
 */
export class LastCent {
  readonly #random: Random;
  readonly #suite: SharedSuite;
  readonly #disk: VirtualDisk;
  readonly #clients: VirtualClients;
  readonly #replicas: readonly Replica[];
  readonly #setLimit: (limit: LimitRow) => void;
  readonly #hire: (spec: WorkerSpec) => void;
  readonly #pass: (durationUs: Micros, isEnough?: () => boolean) => boolean;
  readonly #keptUs: () => Micros;
  readonly #fates = new Map<string, Fate>();
  readonly #slice: LastSlice;

  constructor(options: {
    random: Random;
    suite: SharedSuite;
    disk: VirtualDisk;
    clients: VirtualClients;
    replicas: readonly Replica[];
    setLimit: (limit: LimitRow) => void;
    hire: (spec: WorkerSpec) => void;
    /** Lets so much time pass, or less; false where nothing goes on any more. */
    pass: (durationUs: Micros, isEnough?: () => boolean) => boolean;
    /** The clock of whoever keeps the ledger. */
    keptUs: () => Micros;
  }) {
    this.#keptUs = options.keptUs;
    this.#random = options.random;
    this.#suite = options.suite;
    this.#disk = options.disk;
    this.#clients = options.clients;
    this.#replicas = options.replicas;
    this.#setLimit = options.setLimit;
    this.#hire = options.hire;
    this.#pass = options.pass;
    this.#slice = new LastSlice({
      ...options,
      expect: (target, { replica, amount }) => {
        const order = orderOf(target, { promptTokens: amount, maxTokens: 1 });
        return this.#expect(target, { replica, amount, order });
      },
    });
  }

  /** What supervisors do about the requests that are sent here. */
  effects(effects: readonly Effect[]): void {
    this.#slice.effects(effects);
    for (const effect of effects) {
      if (effect.kind === "append_ledger" && effect.entry.operation === "reserve") {
        const fate = this.#fates.get(requestOf(effect.entry.hold));
        if (fate !== undefined) fate.verdict = "held";
      }
      if (effect.kind === "fail_request") {
        const fate = this.#fates.get(effect.request);
        const isRefused = effect.error.code.startsWith("budget_");
        if (fate !== undefined) fate.verdict ??= isRefused ? "refused" : "turned away";
      }
      if (effect.kind === "finish_request") {
        const fate = this.#fates.get(effect.request);
        if (fate !== undefined) fate.completionTokens = effect.usage.completionTokens;
      }
      if (effect.kind !== "request_settled") continue;
      const fate = this.#fates.get(effect.record.request);
      if (fate === undefined) continue;
      fate.isOver = true;
      fate.hasFailed = effect.record.outcome === "failed" && fate.verdict === "held";
    }
  }

  spend(): void {
    this.#hire(probeWorker());
    if (!this.#pass(HEARD_US)) return;
    if (this.#random.chance(0.5) && !this.#slice.spend()) return;
    for (let tried = 0; tried < LIMITS_TRIED; tried++) {
      const limits = this.#disk.limits.filter(({ amount }) => amount !== null);
      if (limits.length === 0) return;
      const limit = this.#random.pick(limits);
      if (!this.#try(limit)) return;
      this.#setLimit({ ...limit, amount: null });
    }
  }

  /** Any other limit on the way is taken away: this one decides. */
  #try(limit: LimitRow): boolean {
    for (const other of this.#disk.limits) {
      const isOnPath = other.amount !== null && isAtOrBelow(limit.account, other.account);
      if (isOnPath && !isSame(other, limit)) this.#setLimit({ ...other, amount: null });
    }
    if (!this.#pass(HEARD_US)) return false;
    const replica = this.#random.pick(this.#replicas);
    // How long an answer takes is not for whoever asks to say.
    if (limit.unit === "gpu_seconds") return true;
    if (limit.unit === "output_tokens") return this.#answerToTheLast(limit, replica);
    if (limit.unit === "requests") return this.#askToTheLast(limit, replica);
    const isAbove = this.#random.chance(0.5);
    const steps = isAbove ? [1, 0] : [0, 1];
    return steps.every((beyond) => this.#askFor(limit, replica, beyond));
  }

  /** One request for all that is left, or for so much more. */
  #askFor(limit: LimitRow, replica: Replica, beyond: number): boolean {
    const { most: left } = this.#left(limit, replica);
    const least = limit.unit === "tokens" ? 2 : 1;
    const amount = Math.max(left, 0) + beyond;
    if (amount < least || amount > AMOUNT_MAX) return true;
    const promptTokens = limit.unit === "tokens" ? amount - 1 : amount;
    const order = orderOf(limit, { promptTokens, maxTokens: 1 });
    return this.#expect(this.#targetOf(limit), { replica, amount, order });
  }

  /** One request after the other. */
  #askToTheLast(limit: LimitRow, replica: Replica): boolean {
    const left = Math.max(0, this.#left(limit, replica).most);
    if (left > REQUESTS_MAX) return true;
    for (let sent = 0; sent <= left; sent++) {
      const order = orderOf(limit, { promptTokens: 1, maxTokens: 1 });
      if (!this.#expect(this.#targetOf(limit), { replica, amount: 1, order })) return false;
    }
    return true;
  }

  /** An answer that ends at the very token that is the last one to be had. */
  #answerToTheLast(limit: LimitRow, replica: Replica): boolean {
    const { least: left, most } = this.#left(limit, replica);
    if (left !== most || left < 1 || left > ANSWER_TOKENS_MAX) return true;
    // It may be shortened before.
    if ((limit.thresholds ?? []).some(({ action }) => action === "shorten")) return true;
    const maxTokens = left + this.#random.between(0, 1);
    const { fate, goesOn } = this.#send(replica, orderOf(limit, { promptTokens: 1, maxTokens }));
    const isSure = fate.verdict !== "turned away" && !fate.hasFailed;
    const after = this.#left(limit, replica);
    if (!goesOn || !isSure || after.least + fate.completionTokens !== left || after.most !== after.least)
      return goesOn;
    this.#suite.happened("last cents spent");
    const isRefused = fate.verdict === "refused" && maxTokens > left;
    if (!isRefused && fate.completionTokens !== left) {
      const got = `${fate.verdict ?? "not answered"} with ${fate.completionTokens} tokens`;
      this.#violate(
        this.#targetOf(limit),
        replica,
        `${left} tokens are left, and a request for ${maxTokens} is ${got}`,
      );
    }
    return true;
  }

  #targetOf(limit: LimitRow): Target {
    const { account, unit, window } = limit;
    const left = (replica: Replica): Left => this.#left(limit, replica);
    return { account, name: `${unit} per ${window} of ${account}`, left };
  }

  #expect(
    target: Target,
    { replica, amount, order }: { replica: Replica; amount: number; order: Order },
  ): boolean {
    const before = target.left(replica);
    const { fate, goesOn, after, isBooked } = this.#send(replica, order, () => target.left(replica));
    if (!goesOn) return false;
    // What the request itself holds by then does not count against it.
    const own = isBooked ? amount : 0;
    const least = Math.min(before.least, after.least + own);
    const most = Math.max(before.most, after.most + own);
    if (fate.verdict === "turned away") {
      this.#suite.happened("last requests turned away for other reasons");
      return true;
    }
    // In a window that ends meanwhile, or of which something rolls out, either is right.
    if (amount > least && amount <= most) return true;
    const expected = amount <= least ? "held" : "refused";
    this.#suite.happened(expected === "held" ? "last cents spent" : "cents refused beyond the last");
    if (fate.verdict !== expected) {
      const became = fate.verdict ?? "neither held nor refused";
      this.#violate(target, replica, `${most} are left, and a request for ${amount} is ${became}`);
    }
    return true;
  }

  /** `after` is what `look` says when its fate is known, and `isBooked` whether its hold is in the journal by then. */
  #send(
    replica: Replica,
    order: Order,
    look: () => Left = () => ({ least: 0, most: 0 }),
  ): { fate: Fate; goesOn: boolean; after: Left; isBooked: boolean } {
    const fate: Fate = { verdict: null, completionTokens: 0, isOver: false, hasFailed: false };
    const request = this.#clients.nextName;
    this.#fates.set(request, fate);
    this.#clients.send(order, replica.life);
    let goesOn = this.#pass(ANSWERED_US, () => fate.verdict !== null);
    const after = look();
    const isBooked = this.#suite.journal.book.open.has(`${request}/0:0`);
    goesOn &&= this.#pass(10 * ANSWERED_US, () => fate.isOver);
    // And until what it has not used is known to be left.
    goesOn &&= this.#pass(HEARD_US);
    return { fate, goesOn, after, isBooked };
  }

  /** By the journal: where a window ends about now, as the one clock says or as the other. */
  #left(limit: LimitRow, replica: Replica): Left {
    const { journal } = this.#suite;
    const { queueing } = this.#suite.schedulingOf(replica.name);
    const latestUs = Math.max(replica.life.nowUs, journal.clockUs, this.#keptUs());
    const leftAt = (atUs: Micros): number => {
      const { posted, held } = journal.book.used(limit.account, limit.window, atUs);
      const used = amountOf(limit.unit, posted) + amountOf(limit.unit, held);
      return amountFor(limit, null, queueing) - used;
    };
    const [a, b] = [leftAt(latestUs), leftAt(latestUs - BEHIND_US)];
    return { least: Math.min(a, b), most: Math.max(a, b) };
  }

  #violate(target: Target, { name }: Replica, what: string): void {
    this.#suite.violate("last cent", `${target.name} at ${name}: ${what}`);
  }
}

/** Charged below the limit's account, where nobody else is. */
function orderOf({ account }: { account: string }, size: { promptTokens: number; maxTokens: number }): Order {
  const { promptTokens: promptTokensMax, maxTokens } = size;
  return {
    arrival: {
      kind: "request_arrived",
      tenant: "local",
      key: null,
      account: `${account}/last`,
      model: PROBE_MODEL,
      promptTokensMax,
      bodyBytes: 1,
      maxTokens,
      choices: 1,
      budgetWaitUs: 0,
      streamed: true,
      hints: NO_HINTS,
    },
    wish: {
      streamed: true,
      promptTokensMax,
      promptTokens: 1,
      blocks: [],
      hashTokens: 16,
      answerTokens: [maxTokens + 10],
    },
  };
}

function isSame(a: LimitRow, b: LimitRow): boolean {
  return a.account === b.account && a.unit === b.unit && a.window === b.window;
}
