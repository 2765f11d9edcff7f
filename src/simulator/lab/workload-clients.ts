import { assert } from "../../core/assert.ts";
import type { Relay } from "../../core/effects.ts";
import { NO_HINTS, type RequestArrived } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import type { ClientsPort } from "../../supervisor/ports.ts";
import type { Clients } from "../clients.ts";
import type { Wish } from "../connection.ts";
import { Readers, type Service } from "../readers.ts";
import type { Sighting } from "../sightings.ts";
import type { VirtualTime } from "../virtual-time.ts";
import type { ClientParts } from "../world.ts";
import type { Workload, WorkloadRequest } from "../workloads/workload.ts";
import { LAB_MODEL } from "./lab-config.ts";

/** Bytes of a request's body for each token of its prompt. */
const BYTES_PER_TOKEN = 4;

/** Who hears of requests by the ids that they got. */
export interface WorkloadListener {
  sent(id: string, request: WorkloadRequest): void;
  /** No supervisor was there to take it, or the one that was is gone. */
  lost(id: string): void;
}

/** Clients that send what a workload says when it says so, and what follows an answer once it is there. */
export class WorkloadClients implements Clients {
  readonly #workload: Workload;
  readonly #originUs: Micros;
  readonly #load: number;
  readonly #listener: WorkloadListener;
  readonly #time: VirtualTime;
  readonly #service: () => Service | null;
  readonly #saw: (sighting: Sighting) => void;
  readonly #readers: Readers;
  readonly #open = new Map<string, { request: WorkloadRequest; wish: Wish }>();
  #next = 0;
  #sent = 0;
  /** What will follow answers that are there. */
  #coming = 0;
  #interrupted = 0;

  constructor(
    parts: ClientParts,
    options: { workload: Workload; originUs: Micros; load: number; listener: WorkloadListener },
  ) {
    this.#time = parts.time;
    this.#service = parts.service;
    this.#saw = parts.saw;
    this.#readers = new Readers(parts);
    this.#workload = options.workload;
    this.#originUs = options.originUs;
    this.#load = options.load;
    this.#listener = options.listener;
  }

  get areDone(): boolean {
    return this.#next >= this.#workload.requests.length && this.#coming === 0 && this.#open.size === 0;
  }

  get interrupted(): number {
    return this.#interrupted;
  }

  keepArriving(): void {
    const request = this.#workload.requests[this.#next];
    if (request === undefined) return;
    this.#time.at(this.#originUs + Math.round(request.atUs / this.#load), () => {
      this.#next++;
      this.#send(request);
      this.keepArriving();
    });
  }

  wishOf(id: string): Wish {
    const client = this.#open.get(id);
    assert(client !== undefined, `${id} is dispatched while its client is there`);
    return client.wish;
  }

  port(service: Service): ClientsPort {
    const ended = ({ request }: { request: string }): void => this.#ended(request);
    return {
      tellBudgets: () => {},
      answerSlice: () => {},
      relay: (effect) => this.#relay(effect, service),
      finishAnswer: ({ request, choice, attempt }) => {
        this.#saw({ kind: "answer_ended", request, choice, attempt });
      },
      finish: ended,
      fail: ended,
      drop: ended,
    };
  }

  #relay({ request, choice, attempt, tokens }: Relay, service: Service): void {
    const shown = service.endpoints.take(attempt, { choice, tokens });
    this.#saw({ kind: "tokens_shown", request, choice, attempt, asked: tokens, tokens: shown });
    this.#readers.give(request, tokens);
  }

  disconnect(): void {
    for (const id of this.#open.keys()) {
      this.#interrupted++;
      this.#listener.lost(id);
      this.#ended(id);
    }
  }

  #send(request: WorkloadRequest): void {
    const id = `r${++this.#sent}`;
    this.#listener.sent(id, request);
    const service = this.#service();
    const answerTokens = [Math.max(1, request.outputTokens)];
    const { promptTokens, blocks } = request;
    const hashTokens = this.#workload.blockTokens;
    const prompt = { promptTokensMax: promptTokens, promptTokens, blocks, hashTokens };
    this.#open.set(id, { request, wish: { streamed: true, ...prompt, answerTokens } });
    if (service === null) {
      this.#listener.lost(id);
      return this.#ended(id);
    }
    this.#readers.add(id, service);
    service.submit(arrivalOf(id, request));
  }

  #ended(id: string): void {
    const client = this.#open.get(id);
    if (client === undefined) return;
    this.#open.delete(id);
    this.#readers.forget(id);
    const endUs = this.#time.nowUs - this.#originUs;
    const next = this.#workload.follow?.(client.request, endUs) ?? null;
    if (next === null) return;
    this.#coming++;
    this.#time.at(this.#originUs + Math.round(Math.max(endUs, next.atUs)), () => {
      this.#coming--;
      this.#send(next);
    });
  }
}

function arrivalOf(id: string, request: WorkloadRequest): RequestArrived {
  const { tenant, promptTokens, maxTokens, blocks, session, priority, slo, budgetWaitUs = 0 } = request;
  return {
    kind: "request_arrived",
    request: id,
    tenant,
    key: null,
    model: request.model ?? LAB_MODEL,
    promptTokensMax: promptTokens,
    bodyBytes: promptTokens * BYTES_PER_TOKEN,
    maxTokens,
    choices: 1,
    budgetWaitUs,
    streamed: true,
    hints: { ...NO_HINTS, priority, session, blocks, slo },
  };
}
