import { ChurnMap } from "../core/churn.ts";
import type { Answer } from "./answer.ts";
import type { ClientRequest } from "./client-request.ts";
import { Outbox } from "./outbox.ts";
import type { OutboxOptions, Source } from "./outbox.ts";
import type { Prompt } from "./prompt.ts";

/** What one attempt answers, and how. */
export interface AttemptShape extends OutboxOptions {
  /** The first of the client's choices that it answers, and how many. */
  choice: number;
  choices: number;
}

interface AttemptOutboxes {
  firstChoice: number;
  /** In order of choice; a remote API answers all of its choices in one. */
  outboxes: Outbox[];
}

/** A request under way: what the client said, and the answer it is being given. Events carry only its id. */
export class Exchange {
  readonly request: string;
  readonly asked: ClientRequest;
  /** The body in the bytes it was sent in. */
  readonly body: Buffer;
  /** Read already where a worker of ours is to serve it; null for a remote API. */
  readonly prompt: Prompt | null;
  /** The prompt in blocks of text, where policies go by them. */
  readonly blocks: readonly number[];
  readonly answer: Answer;
  readonly #attempts = new Map<string, AttemptOutboxes>();
  #blocked = false;

  constructor(options: {
    request: string;
    asked: ClientRequest;
    body: Buffer;
    prompt: Prompt | null;
    blocks: readonly number[];
    answer: Answer;
  }) {
    this.request = options.request;
    this.asked = options.asked;
    this.body = options.body;
    this.prompt = options.prompt;
    this.blocks = options.blocks;
    this.answer = options.answer;
  }

  /** Where an attempt puts what it produces, choice by choice. */
  open(shape: AttemptShape): readonly Outbox[] {
    const count = shape.format === "text" ? shape.choices : 1;
    const outboxes = Array.from({ length: count }, () => new Outbox(shape));
    this.#attempts.set(shape.attempt, { firstChoice: shape.choice, outboxes });
    return outboxes;
  }

  /** An attempt that goes on with the answer of another puts its part behind the tokens of that one which count. */
  goOn(attempt: string, before: { attempt: string; tokens: number }): readonly Outbox[] | null {
    const found = this.#attempts.get(before.attempt);
    if (found === undefined) return null;
    for (const outbox of found.outboxes) outbox.rewind(before.tokens);
    this.#attempts.set(attempt, found);
    return found.outboxes;
  }

  /** By the client's choice. */
  outbox(attempt: string, choice: number): Outbox | undefined {
    const found = this.#attempts.get(attempt);
    return found?.outboxes[choice - found.firstChoice] ?? found?.outboxes[0];
  }

  /** True while the client does not read: nothing is read from the endpoints either. */
  get blocked(): boolean {
    return this.#blocked;
  }

  block(): void {
    this.#blocked = true;
    for (const source of this.#sources()) source.pause();
  }

  unblock(): void {
    this.#blocked = false;
    for (const source of this.#sources()) source.resume();
  }

  /** Nobody will unblock it any more, and a paused connection is no use to anyone else. */
  end(): void {
    if (!this.#blocked) return;
    for (const source of this.#sources()) source.abort();
  }

  /** All choices of an attempt come over one connection. */
  *#sources(): Iterable<Source> {
    for (const { outboxes } of this.#attempts.values()) {
      const source = outboxes[0]?.source;
      if (source) yield source;
    }
  }
}

/** All requests under way, by id. */
export class Exchanges {
  readonly #exchanges = new ChurnMap<string, Exchange>();

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
