import { assert } from "../core/assert.ts";
import type { Relay } from "../core/effects.ts";
import { type Hints, NO_HINTS, type RequestArrived } from "../core/events.ts";
import { seconds } from "../core/units.ts";
import type { ClientsPort } from "../supervisor/ports.ts";
import { Agents } from "./agents.ts";
import type { Wish } from "./connection.ts";
import type { FaultPlan } from "./faults.ts";
import { PAYERS } from "./money.ts";
import { Readers, type Service } from "./readers.ts";
import type { Random } from "../core/random.ts";
import type { Load } from "./scenario.ts";
import type { SlicesSpec } from "./slicing.ts";
import type { Sighting } from "./sightings.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Whoever finds nobody at the other end tries again after this time, and gives up after a while. */
const RECONNECT_US = seconds(1);
const CONNECTS_MAX = 20;

/** Tokens of a prompt block that hints name. */
export const HASH_TOKENS = 16;

/** Bands, of which not all are there in every world. */
export const PRIORITIES: readonly string[] = ["urgent", "normal", "later"];

/** The last one is what no worker has. */
const LABELS_ASKED: readonly Hints["labels"][] = [
  { region: "eu" },
  { region: "us" },
  { capability: "tools" },
  { region: "mars" },
];

/** Those who send requests, as the rest of a world knows them. */
export interface Clients {
  /** Nobody will send any more, nor waits for what has to be waited for. */
  readonly areDone: boolean;
  /** Requests that were not answered because the supervisor was killed. */
  readonly interrupted: number;
  keepArriving(): void;
  wishOf(request: string): Wish;
  /** What that supervisor answers them over. */
  port(service: Service): ClientsPort;
  /** The supervisor is gone, and all connections to it. */
  disconnect(service: Service): void;
}

/** What somebody wants. */
export interface Order {
  arrival: Omit<RequestArrived, "request">;
  wish: Wish;
}

interface Client {
  arrival: RequestArrived;
  wish: Wish;
  /** Whom it is connected to. */
  service: Service;
}

/** Those who send requests, read the answers, or don't. */
export class VirtualClients implements Clients {
  readonly #load: Load;
  readonly #time: VirtualTime;
  readonly #faults: FaultPlan;
  readonly #random: Random;
  readonly #service: () => Service | null;
  readonly #saw: (sighting: Sighting) => void;
  readonly #readers: Readers;
  /** Null where nobody opens slices. */
  readonly #agents: Agents | null;
  readonly #clients = new Map<string, Client>();
  #sent = 0;
  /** Requests that have reached a supervisor. */
  #arrived = 0;
  #interrupted = 0;

  constructor(options: {
    load: Load;
    slices?: SlicesSpec | null;
    time: VirtualTime;
    faults: FaultPlan;
    random: Random;
    /** Whom the next one gets to, if anybody is there. */
    service: () => Service | null;
    saw: (sighting: Sighting) => void;
  }) {
    this.#load = options.load;
    this.#time = options.time;
    this.#faults = options.faults;
    this.#random = options.random;
    this.#service = options.service;
    this.#saw = options.saw;
    this.#readers = new Readers(options);
    const { slices: spec = null, time, service } = options;
    this.#agents = spec === null ? null : new Agents({ spec, time, service });
  }

  /** Whether every request of the load has been sent. */
  get areDone(): boolean {
    return this.#sent >= this.#load.requests;
  }

  /** Requests that were not answered because the supervisor was killed. */
  get interrupted(): number {
    return this.#interrupted;
  }

  /** Requests come one by one at random times, sometimes several at once, until all have come. */
  keepArriving(): void {
    if (this.#sent === 0) this.#agents?.begin(this.#load.requests * this.#load.meanGapUs);
    if (this.areDone) return this.#agents?.over();
    this.#time.after(this.#random.exponential(this.#load.meanGapUs), () => {
      const together = this.#random.chance(this.#load.burstShare) ? this.#random.between(5, 30) : 1;
      for (let i = 0; i < together && !this.areDone; i++) this.#arrive();
      this.keepArriving();
    });
  }

  wishOf(request: string): Wish {
    const client = this.#clients.get(request);
    assert(client !== undefined, `${request} is dispatched while its client is there`);
    return client.wish;
  }

  port(service: Service): ClientsPort {
    const forget = ({ request }: { request: string }): void => this.#forget(request);
    return {
      tellBudgets: () => {},
      answerSlice: (answer) => this.#agents?.answered(answer),
      relay: (effect) => this.#relay(effect, service),
      finishAnswer: ({ request, choice, attempt }) => {
        this.#saw({ kind: "answer_ended", request, choice, attempt });
      },
      finish: forget,
      fail: forget,
      drop: forget,
    };
  }

  #relay({ request, choice, attempt, tokens }: Relay, service: Service): void {
    const shown = service.endpoints.take(attempt, { choice, tokens });
    this.#saw({ kind: "tokens_shown", request, choice, attempt, asked: tokens, tokens: shown });
    const given = shown.reduce((sum, { count }) => sum + count, 0);
    if (this.#clients.get(request)?.arrival.streamed === true) this.#readers.give(request, given);
  }

  /** The supervisor is gone, and all connections to it: some ask again, as they see that it was not their fault. */
  disconnect(service: Service): void {
    const broken = [...this.#clients.values()].filter((client) => client.service === service);
    for (const { arrival } of broken) this.#forget(arrival.request);
    this.#agents?.disconnect(service);
    this.#interrupted += broken.length;
    for (const { arrival, wish } of broken) {
      if (this.#random.chance(0.5)) this.#connect({ arrival, wish }, CONNECTS_MAX);
    }
  }

  #arrive(): void {
    const random = this.#random;
    this.#sent++;
    const promptTokensMax = random.between(1, this.#load.promptTokensMax);
    const isLong = this.#faults.strikes("long_prompt", 0.05);
    const promptTokens = isLong ? promptTokensMax + 50 : random.between(1, promptTokensMax);
    const payer = random.pick(PAYERS);
    const { tenant, key } = payer;
    const account = this.#agents?.accountFor(payer) ?? payer.account;
    const choices = random.chance(this.#load.choicesShare) ? random.between(2, 5) : 1;
    const blocks = random.chance(0.5) ? this.#drawBlocks(promptTokens) : [];
    const arrival: Omit<RequestArrived, "request"> = {
      kind: "request_arrived",
      tenant,
      key,
      ...(account === undefined ? {} : { account }),
      model: random.pick(this.#load.names),
      promptTokensMax,
      bodyBytes: promptTokensMax * 4,
      maxTokens: random.chance(0.3) ? null : random.between(1, 2 * this.#load.answerTokensMean),
      choices,
      budgetWaitUs: random.chance(0.4) ? Math.round(this.#load.patienceUs * random.fraction()) : 0,
      streamed: random.chance(0.7),
      hints: { ...(this.#load.hasHints ? this.#drawHints() : NO_HINTS), blocks },
    };
    const answer = (): number => 1 + Math.floor(random.exponential(this.#load.answerTokensMean));
    const wish: Wish = {
      streamed: arrival.streamed,
      promptTokensMax,
      promptTokens,
      blocks,
      hashTokens: HASH_TOKENS,
      answerTokens: Array.from({ length: choices }, answer),
    };
    this.#connect({ arrival, wish }, CONNECTS_MAX);
  }

  #drawHints(): Hints {
    const random = this.#random;
    return {
      ...NO_HINTS,
      priority: random.pick([null, ...PRIORITIES]),
      flow: random.pick([null, "agents", "people"]),
      session: random.pick([null, "s1", "s2", `s${this.#sent}`]),
      labels: random.chance(0.1) ? random.pick(LABELS_ASKED) : {},
      slo: random.chance(0.2) ? { ttftUs: seconds(0.5), tpotUs: seconds(0.05) } : null,
    };
  }

  /** Finds somebody to send the request to; a request that is sent again is another one. */
  #connect(order: Order, connects: number): void {
    const service = this.#service();
    if (service === null) {
      if (connects > 0) this.#time.after(RECONNECT_US, () => this.#connect(order, connects - 1));
      return;
    }
    this.send(order, service);
  }

  /** What the next request to reach a supervisor will be called. */
  get nextName(): string {
    return `r${this.#arrived + 1}`;
  }

  /** Sends that supervisor a request. */
  send(order: Order, service: Service): void {
    const request = this.nextName;
    this.#arrived++;
    const arrival: RequestArrived = { ...order.arrival, request };
    const { wish } = order;
    this.#clients.set(request, { arrival, wish, service });
    this.#readers.add(request, service);
    if (this.#faults.allows("client_disconnect")) this.#leaveLater(request);
    service.submit(arrival);
  }

  /** The first blocks of a prompt that many begin with, then some of its own. */
  #drawBlocks(promptTokens: number): number[] {
    const length = Math.floor(promptTokens / HASH_TOKENS);
    const common = this.#random.between(0, length);
    const beginning = this.#random.between(1, 4) * 1_000_000;
    return Array.from({ length }, (_, i) => {
      return beginning + (i < common ? i : this.#sent * 1_000 + i);
    });
  }

  #leaveLater(request: string): void {
    this.#time.after(this.#random.exponential(seconds(20)), () => {
      const client = this.#clients.get(request);
      if (client === undefined || !this.#faults.strikes("client_disconnect", 1)) return;
      this.#forget(request);
      client.service.submit({ kind: "client_gone", request });
    });
  }

  #forget(request: string): void {
    this.#clients.delete(request);
    this.#readers.forget(request);
  }
}
