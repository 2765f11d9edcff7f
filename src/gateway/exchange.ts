import type { Answer } from "./answer.ts";
import type { ChatRequest } from "./chat-request.ts";
import type { Outbox } from "./outbox.ts";
import type { Prompt } from "./prompt.ts";

/** A request under way: what the client said, and the answer it is being given. Events carry only its id. */
export class Exchange {
  readonly request: string;
  readonly chat: ChatRequest;
  /** The body in the bytes it was sent in. */
  readonly body: Buffer;
  /** Read already where a worker of ours is to serve it; null for a remote API. */
  readonly prompt: Prompt | null;
  readonly answer: Answer;
  /** By attempt. */
  readonly outboxes = new Map<string, Outbox>();
  #blocked = false;

  constructor(options: {
    request: string;
    chat: ChatRequest;
    body: Buffer;
    prompt: Prompt | null;
    answer: Answer;
  }) {
    this.request = options.request;
    this.chat = options.chat;
    this.body = options.body;
    this.prompt = options.prompt;
    this.answer = options.answer;
  }

  /** True while the client does not read: nothing is read from the endpoints either. */
  get blocked(): boolean {
    return this.#blocked;
  }

  block(): void {
    this.#blocked = true;
    for (const outbox of this.outboxes.values()) outbox.source?.pause();
  }

  unblock(): void {
    this.#blocked = false;
    for (const outbox of this.outboxes.values()) outbox.source?.resume();
  }

  /** Nobody will unblock it any more, and a paused connection is no use to anyone else. */
  end(): void {
    if (!this.#blocked) return;
    for (const outbox of this.outboxes.values()) outbox.source?.abort();
  }
}

/** All requests under way, by id. */
export class Exchanges {
  readonly #exchanges = new Map<string, Exchange>();

  get(request: string): Exchange | undefined {
    return this.#exchanges.get(request);
  }

  add(exchange: Exchange): void {
    this.#exchanges.set(exchange.request, exchange);
  }

  /** The exchange, if it was still under way. */
  end(request: string): Exchange | undefined {
    const exchange = this.#exchanges.get(request);
    if (exchange === undefined) return undefined;
    this.#exchanges.delete(request);
    exchange.end();
    return exchange;
  }

  get size(): number {
    return this.#exchanges.size;
  }
}
