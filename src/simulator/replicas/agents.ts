import { type Charge, NOTHING } from "../../core/budget/charge.ts";
import type { Effect } from "../../core/effects.ts";
import { NO_HINTS, type SliceAsked } from "../../core/events.ts";
import type { Random } from "../../core/random.ts";
import { type Micros, seconds } from "../../core/units.ts";
import type { Order, VirtualClients } from "../clients.ts";
import { PAYERS } from "../money.ts";
import type { Load } from "../scenario.ts";
import type { VirtualTime } from "../virtual-time.ts";
import type { Replica } from "./replica.ts";

/** Few names, so that some are taken. */
const NAMES = ["agent", "agent", "scout", "critic", "once", "twice"];
/** From small enough for one request only, to more than there is. */
const AMOUNTS: Readonly<Record<"nanoUsd" | "requests" | "inputTokens" | "outputTokens", readonly number[]>> =
  {
    nanoUsd: [0, 1e4, 1e6, 1e8, 1e11],
    requests: [0, 0, 0, 3, 12],
    inputTokens: [0, 0, 300, 3_000],
    outputTokens: [0, 0, 60, 600],
  };
const TTLS_S = [null, null, 2, 10, 30, 100];
/** Within that time after it is open, most of what is done with a slice is done. */
const BUSY_US: Micros = seconds(8);

/** A slice that somebody was told of. */
interface Known {
  payer: string;
  account: string;
}

/**
 * Those who set slices of a key's money aside, hand them on, spend them, look at them and close them, or don't: at whichever
 * supervisor they get to.
 */
export class Agents {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #load: Load;
  readonly #clients: VirtualClients;
  readonly #replica: () => Replica | null;
  readonly #asked = new Map<string, Known & { action: SliceAsked["action"] }>();
  #asks = 0;
  #haveCeased = false;

  constructor(options: {
    time: VirtualTime;
    random: Random;
    load: Load;
    clients: VirtualClients;
    /** Whom the next one gets to, if anybody is there. */
    replica: () => Replica | null;
  }) {
    this.#time = options.time;
    this.#random = options.random;
    this.#load = options.load;
    this.#clients = options.clients;
    this.#replica = options.replica;
  }

  /** Draws what they begin with while the load lasts; in some worlds there are none. */
  arrange(spanUs: Micros): void {
    for (let count = this.#random.pick([0, 2, 5, 10]); count > 0; count--) {
      this.#time.after(spanUs * this.#random.fraction(), () => this.#begin());
    }
  }

  /** From now on they do nothing. */
  cease(): void {
    this.#haveCeased = true;
  }

  /** What they are told. */
  effects(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind !== "answer_slice") continue;
      const asked = this.#asked.get(effect.ask);
      this.#asked.delete(effect.ask);
      if (asked?.action === "open" && effect.slice?.status === "open") this.#use(asked);
    }
  }

  #begin(): void {
    const random = this.#random;
    const { tenant, key, account } = random.pick(PAYERS);
    const payer = ["global", tenant, ...(key === null ? [] : [key])].join("/");
    const above = account ?? payer;
    const known = { payer: account === undefined ? payer : above, account: `${above}/${random.pick(NAMES)}` };
    // Some are used before anybody thinks of opening them, or while somebody does.
    if (random.chance(0.15)) this.#spend(known);
    this.#open(known);
    if (random.chance(0.15)) this.#open(known);
    if (random.chance(0.15)) this.#spend(known);
  }

  #open({ payer, account }: Known): void {
    const random = this.#random;
    const amounts: Charge = { ...NOTHING };
    for (const part of ["nanoUsd", "requests", "inputTokens", "outputTokens"] as const) {
      amounts[part] = Math.ceil(random.pick(AMOUNTS[part]) * random.fraction());
    }
    if (Object.values(amounts).every((amount) => amount === 0)) amounts.requests = 2;
    const ttl = random.pick(TTLS_S);
    const ttlUs = ttl === null ? null : seconds(ttl);
    this.#ask(payer, {
      account,
      action: "open",
      payer,
      amounts,
      ttlUs,
      priority: random.pick([null, null, "urgent"]),
    });
  }

  /** It is open: others spend of it what they get, and perhaps somebody closes it before its time. */
  #use(known: Known): void {
    const random = this.#random;
    const soon = (what: () => void): void => {
      this.#time.after(BUSY_US * random.fraction(), what);
    };
    const inner = { payer: known.payer, account: `${known.account}/${random.pick(NAMES)}` };
    for (let count = random.between(0, 8); count > 0; count--) soon(() => this.#spend(known));
    if (random.chance(0.4)) soon(() => this.#open(inner));
    if (random.chance(0.3)) soon(() => this.#ask(known.payer, { account: known.account, action: "show" }));
    if (random.chance(0.1)) soon(() => this.#open(known));
    if (!random.chance(0.6)) return;
    soon(() => {
      // While others are about to draw on it.
      for (let count = random.between(0, 3); count > 0; count--) this.#spend(known);
      this.#ask(known.payer, { account: known.account, action: "close" });
      for (let count = random.between(0, 3); count > 0; count--) this.#spend(known);
    });
    if (random.chance(0.3)) soon(() => this.#ask(known.payer, { account: known.account, action: "close" }));
    if (random.chance(0.5)) soon(() => this.#spend(known));
  }

  #ask(payer: string, question: Question): void {
    const replica = this.#haveCeased ? null : this.#replica();
    if (replica === null) return;
    const ask = `q${++this.#asks}`;
    const { account, action } = question;
    this.#asked.set(ask, { payer, account, action });
    replica.life.submit({ kind: "slice_asked", ask, ...question });
  }

  #spend({ account }: Known): void {
    const replica = this.#haveCeased ? null : this.#replica();
    if (replica === null) return;
    const task = this.#random.pick(["", "", "/task"]);
    this.#clients.send(this.#draw(`${account}${task}`), replica.life);
  }

  #draw(account: string): Order {
    const random = this.#random;
    const promptTokensMax = random.between(1, this.#load.promptTokensMax);
    const promptTokens = random.between(1, promptTokensMax);
    const streamed = random.chance(0.7);
    const choices = random.chance(0.2) ? 2 : 1;
    const answer = (): number => 1 + Math.floor(random.exponential(this.#load.answerTokensMean));
    return {
      arrival: {
        kind: "request_arrived",
        tenant: account.split("/")[1]!,
        key: null,
        account,
        model: random.pick(this.#load.names),
        promptTokensMax,
        bodyBytes: promptTokensMax * 4,
        maxTokens: random.chance(0.3) ? null : random.between(1, 2 * this.#load.answerTokensMean),
        choices,
        budgetWaitUs: random.chance(0.4) ? Math.round(this.#load.patienceUs * random.fraction()) : 0,
        streamed,
        hints: NO_HINTS,
      },
      wish: {
        streamed,
        promptTokensMax,
        promptTokens,
        blocks: [],
        hashTokens: 16,
        answerTokens: Array.from({ length: choices }, answer),
      },
    };
  }
}

/** `Omit` does not keep what belongs together. */
type Question = SliceAsked extends infer Asked
  ? Asked extends unknown
    ? Omit<Asked, "kind" | "ask">
    : never
  : never;
