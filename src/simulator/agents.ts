import type { AnswerSlice } from "../core/effects.ts";
import type { SliceAsked } from "../core/events.ts";
import { type Micros, seconds } from "../core/units.ts";
import { Random } from "../core/random.ts";
import { accountOf, type Payer, PAYERS } from "./money.ts";
import type { Service } from "./readers.ts";
import { drawAmounts, drawShare, type SlicesSpec } from "./slicing.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Whoever finds nobody at the other end, or has lost it, asks again after this time. */
const RECONNECT_US: Micros = seconds(1);

/** How long after the last request agents still look at their slices, and close them. */
const GOODBYE_US: Micros = seconds(20);

type Question = SliceAsked extends infer Asked
  ? Asked extends SliceAsked
    ? Omit<Asked, "kind" | "ask">
    : never
  : never;

type Opening = Extract<Question, { action: "open" }>;

interface Asking {
  agent: Agent;
  question: Question;
  service: Service;
}

/** One of those who pay, with what it calls its sub-accounts. */
interface Agent {
  /** The key's account. */
  payer: string;
  /** Those that it goes on using, the latest last: open, closed, or never opened. */
  names: string[];
}

/**
 * Agents that set parts of their keys' money aside: they open slices, slices in slices, look at them, close them, forget to, use
 * names twice, and ask again when the supervisor is gone in the middle of it. They have chance of their own: nothing else
 * in a world changes by what they draw.
 */
export class Agents {
  readonly #spec: SlicesSpec;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #service: () => Service | null;
  readonly #agents: readonly Agent[];
  readonly #asking = new Map<string, Asking>();
  #asks = 0;
  #names = 0;
  #opensUntilUs: Micros = Infinity;

  constructor(options: { spec: SlicesSpec; time: VirtualTime; service: () => Service | null }) {
    this.#spec = options.spec;
    this.#time = options.time;
    this.#service = options.service;
    this.#random = new Random(options.spec.seed);
    this.#agents = this.#spec.payers.map((index) => ({ payer: accountOf(PAYERS[index]!), names: [] }));
  }

  begin(spanUs: Micros): void {
    for (const agent of this.#agents) {
      for (let count = this.#random.between(2, this.#spec.opensMax); count > 0; count--) {
        this.#time.after(this.#random.fraction() * spanUs, () => this.#open(agent));
      }
    }
  }

  /** All requests are sent: nobody opens anything for them any more. */
  over(): void {
    this.#opensUntilUs = Math.min(this.#opensUntilUs, this.#time.nowUs);
  }

  /** The account that the next request of one who pays is charged to; undefined for the usual one. */
  accountFor(payer: Payer): string | undefined {
    const agent = this.#agents.find(({ payer: own }) => own === accountOf(payer));
    if (agent === undefined || !this.#random.chance(this.#spec.share)) return undefined;
    if (agent.names.length === 0 && this.#random.chance(0.4)) this.#open(agent);
    // What nobody has opened, and perhaps will.
    if (this.#random.chance(0.03)) this.#remember(agent, `${agent.payer}/${this.#nextName()}`);
    const name = this.#known(agent);
    // Some close what they have just begun to use.
    if (this.#random.chance(0.05)) {
      const soonUs = this.#random.pick([0.01, 0.1, 1]) * seconds(this.#random.fraction());
      this.#time.after(soonUs, () => this.#ask(agent, { action: "close", account: name }));
    }
    return this.#random.chance(0.2) ? `${name}/task` : name;
  }

  answered({ ask, slice }: AnswerSlice): void {
    const { question, agent } = this.#asking.get(ask)!;
    this.#asking.delete(ask);
    const isGone = slice === null ? this.#random.chance(0.7) : slice.status === "closed";
    if (isGone) this.#forget(agent, question.account);
    const expiresUs = slice?.expiresUs ?? null;
    if (question.action !== "open" || expiresUs === null) return;
    this.#use(agent, question, expiresUs - this.#time.nowUs);
  }

  /** Nobody will answer what this supervisor was asked: some ask again, for it may have been done or not. */
  disconnect(service: Service): void {
    for (const [ask, { agent, question, service: asked }] of this.#asking) {
      if (asked !== service) continue;
      this.#asking.delete(ask);
      if (this.#random.chance(0.7)) this.#time.after(RECONNECT_US, () => this.#ask(agent, question));
    }
  }

  /** Now and then in a name that is known, or below something that was closed, or for more than anybody may have. */
  #open(agent: Agent, outer: Opening | null = null): void {
    const random = this.#random;
    const above = outer?.account ?? (random.chance(0.15) ? this.#known(agent) : agent.payer);
    const isOld = random.chance(0.08) && agent.names.length > 0;
    const account = isOld ? random.pick(agent.names) : `${above}/${this.#nextName()}`;
    const { ttlsUs, request } = this.#spec;
    if (random.chance(0.05)) {
      const action = random.pick(["show", "close"] as const);
      this.#ask(agent, { action, account: `${agent.payer}/${this.#nextName()}` });
    }
    this.#remember(agent, account);
    this.#ask(agent, {
      action: "open",
      account,
      payer: agent.payer,
      amounts: outer === null ? drawAmounts(random, request) : drawShare(random, outer.amounts, request),
      ttlUs: random.pick(ttlsUs),
      priority: random.pick([null, null, "urgent", "later"]),
    });
  }

  /** What becomes of a slice that is open for so long. */
  #use(agent: Agent, opening: Opening, leftUs: Micros): void {
    const { account } = opening;
    const random = this.#random;
    this.#remember(agent, account);
    // Some go on with it for a while when it is closed.
    const goesOnUs = random.chance(0.8) ? 0 : random.between(0, 3_000_000);
    const later = (us: Micros, act: () => void): void => void this.#time.after(Math.max(0, us), act);
    const show = (): void => this.#ask(agent, { action: "show", account });
    const close = (): void => {
      this.#ask(agent, { action: "close", account });
      later(goesOnUs, () => this.#forget(agent, account));
    };
    later(leftUs + goesOnUs, () => this.#forget(agent, account));
    for (let count = random.between(0, 3); count > 0; count--) later(random.fraction() * leftUs, show);
    // As its time is over, and shortly after.
    if (random.chance(0.5)) later(leftUs, show);
    if (random.chance(0.5)) later(leftUs + random.between(0, 20_000), show);
    for (let count = random.pick([0, 1, 2]); count > 0; count--) {
      later(random.pick([0, 0, 0.2, 1]) * random.fraction() * leftUs, () => this.#open(agent, opening));
    }
    if (!random.chance(0.6)) return;
    const closesUs = random.pick([0.3, 1, 1]) * random.fraction() * leftUs;
    later(closesUs, close);
    if (random.chance(0.3)) later(closesUs, random.pick([close, show]));
    if (random.chance(0.3)) later(closesUs + random.fraction() * leftUs, random.pick([close, show]));
  }

  #ask(agent: Agent, question: Question): void {
    const { nowUs } = this.#time;
    if (nowUs >= this.#opensUntilUs + (question.action === "open" ? 0 : GOODBYE_US)) return;
    const service = this.#service();
    if (service === null) {
      this.#time.after(RECONNECT_US, () => this.#ask(agent, question));
      return;
    }
    const ask = `s${++this.#asks}`;
    this.#asking.set(ask, { agent, question, service });
    service.submit({ kind: "slice_asked", ask, ...question });
  }

  #known({ payer, names }: Agent): string {
    const latest = names.slice(-2);
    return this.#random.pick(latest.length > 0 && this.#random.chance(0.8) ? latest : [payer, ...names]);
  }

  #remember({ names }: Agent, account: string): void {
    if (!names.includes(account)) names.push(account);
  }

  #forget(agent: Agent, account: string): void {
    agent.names = agent.names.filter((name) => name !== account && !name.startsWith(`${account}/`));
  }

  #nextName(): string {
    return `a${++this.#names}`;
  }
}
