import { assert } from "../core/assert.ts";
import type { DropClient, FailRequest, FinishAnswer, FinishRequest, Relay } from "../core/effects.ts";
import type { RequestArrived, SupervisorEvent } from "../core/events.ts";
import { type Micros, MICROS_PER_MILLI, seconds } from "../core/units.ts";
import type { ClientsPort } from "../supervisor/ports.ts";
import type { Wish } from "./connection.ts";
import type { VirtualEndpoints } from "./endpoints.ts";
import type { FaultPlan } from "./faults.ts";
import type { Random } from "./random.ts";
import type { Load } from "./scenario.ts";
import type { Sighting } from "./sightings.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Tokens that wait for a reader before its connection counts as blocked. */
const SEND_BUFFER_TOKENS = 16;

interface Client {
  arrival: RequestArrived;
  wish: Wish;
  /** Time to read one token; 0 for readers that keep up, Infinity for those that have stopped. */
  readUs: Micros;
  unreadTokens: number;
  isBlocked: boolean;
}

/** Those who send requests, read the answers, or don't. */
export class VirtualClients implements ClientsPort {
  readonly #load: Load;
  readonly #time: VirtualTime;
  readonly #faults: FaultPlan;
  readonly #random: Random;
  readonly #endpoints: VirtualEndpoints;
  readonly #submit: (event: SupervisorEvent) => void;
  readonly #saw: (sighting: Sighting) => void;
  readonly #clients = new Map<string, Client>();
  #sent = 0;

  constructor(options: {
    load: Load;
    time: VirtualTime;
    faults: FaultPlan;
    random: Random;
    endpoints: VirtualEndpoints;
    submit: (event: SupervisorEvent) => void;
    saw: (sighting: Sighting) => void;
  }) {
    this.#load = options.load;
    this.#time = options.time;
    this.#faults = options.faults;
    this.#random = options.random;
    this.#endpoints = options.endpoints;
    this.#submit = options.submit;
    this.#saw = options.saw;
  }

  /** Whether every request of the load has been sent. */
  get areDone(): boolean {
    return this.#sent >= this.#load.requests;
  }

  /** Requests come one by one at random times, sometimes several at once, until all have come. */
  keepArriving(): void {
    if (this.areDone) return;
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

  relay({ request, choice, attempt, tokens }: Relay): void {
    const shown = this.#endpoints.take(attempt, tokens);
    this.#saw({ kind: "tokens_shown", request, choice, attempt, asked: tokens, tokens: shown });
    const client = this.#clients.get(request);
    if (client === undefined || !client.arrival.streamed || client.readUs === 0) return;
    const isReading = client.unreadTokens > 0;
    client.unreadTokens += shown.length;
    if (!isReading) this.#read(client);
    if (client.unreadTokens <= SEND_BUFFER_TOKENS || client.isBlocked) return;
    client.isBlocked = true;
    this.#endpoints.pause(request);
    this.#submit({ kind: "client_blocked", request });
  }

  finishAnswer({ request, attempt }: FinishAnswer): void {
    this.#saw({ kind: "answer_ended", request, attempt });
  }

  finish({ request }: FinishRequest): void {
    this.#clients.delete(request);
  }

  fail({ request }: FailRequest): void {
    this.#clients.delete(request);
  }

  drop({ request }: DropClient): void {
    this.#clients.delete(request);
  }

  #arrive(): void {
    const random = this.#random;
    const request = `r${++this.#sent}`;
    const promptTokensMax = random.between(1, this.#load.promptTokensMax);
    const isLong = this.#faults.strikes("long_prompt", 0.05);
    const promptTokens = isLong ? promptTokensMax + 50 : random.between(1, promptTokensMax);
    const arrival: RequestArrived = {
      kind: "request_arrived",
      request,
      tenant: random.pick(["red", "blue/night"]),
      model: random.pick(this.#load.names),
      promptTokensMax,
      bodyBytes: promptTokensMax * 4,
      maxTokens: random.chance(0.3) ? null : random.between(1, 2 * this.#load.answerTokensMean),
      choices: random.chance(0.1) ? random.between(2, 5) : 1,
      streamed: random.chance(0.7),
    };
    const wish: Wish = {
      streamed: arrival.streamed,
      promptTokensMax,
      promptTokens,
      cachedTokens: random.chance(0.3) ? random.between(0, promptTokens - 1) : 0,
      answerTokens: 1 + Math.floor(random.exponential(this.#load.answerTokensMean)),
    };
    const client = { arrival, wish, readUs: this.#drawReadUs(), unreadTokens: 0, isBlocked: false };
    this.#clients.set(request, client);
    if (this.#faults.allows("client_disconnect")) this.#leaveLater(request);
    this.#submit(arrival);
  }

  #drawReadUs(): Micros {
    if (this.#faults.strikes("stuck_client", 0.05)) return Infinity;
    if (this.#faults.strikes("slow_client", 0.1)) return this.#random.between(5, 200) * MICROS_PER_MILLI;
    return 0;
  }

  #leaveLater(request: string): void {
    this.#time.after(this.#random.exponential(seconds(20)), () => {
      if (!this.#clients.has(request) || !this.#faults.strikes("client_disconnect", 1)) return;
      this.#clients.delete(request);
      this.#submit({ kind: "client_gone", request });
    });
  }

  /** Reads one token after the other until nothing is left to read. */
  #read(client: Client): void {
    if (client.readUs === Infinity) return;
    this.#time.after(client.readUs, () => {
      client.unreadTokens--;
      if (client.unreadTokens > 0) return this.#read(client);
      const { request } = client.arrival;
      if (!client.isBlocked || this.#clients.get(request) !== client) return;
      client.isBlocked = false;
      this.#submit({ kind: "client_drained", request });
      this.#endpoints.resume(request);
    });
  }
}
