import type { CancelAttempt, Dispatch } from "../core/effects.ts";
import type { SupervisorEvent } from "../core/events.ts";
import type { FailureReason, TokenUsage } from "../core/vocabulary.ts";
import type { Exchange, Exchanges } from "../gateway/exchange.ts";
import { Outbox } from "../gateway/outbox.ts";
import type { EndpointsPort } from "../supervisor/ports.ts";
import type { GenerationListener } from "./generation.ts";
import { generateOnRemote } from "./openai-dialect.ts";
import type { RemoteEndpoint } from "./openai-dialect.ts";
import type { Upstream } from "./upstream.ts";
import type { WorkerAddresses } from "./worker-addresses.ts";
import { generateOnWorker } from "./worker-dialect.ts";

const MESSAGE_LENGTH_MAX = 500;

export interface EndpointsOptions {
  upstream: Upstream;
  exchanges: Exchanges;
  addresses: WorkerAddresses;
  remotes: RemoteEndpoint[];
  /** This supervisor's id, as workers know it. */
  supervisor: string;
  submit: (event: SupervisorEvent) => void;
}

/** Carries attempts out: finds the endpoint, speaks its dialect, and turns what comes back into events. */
export class Endpoints implements EndpointsPort {
  readonly #options: EndpointsOptions;
  readonly #remotes: Map<string, RemoteEndpoint>;
  readonly #attempts = new Map<string, Attempt>();

  constructor(options: EndpointsOptions) {
    this.#options = options;
    this.#remotes = new Map(options.remotes.map((remote) => [remote.name, remote]));
  }

  dispatch(effect: Dispatch): void {
    const { upstream, exchanges, addresses, supervisor } = this.#options;
    const exchange = exchanges.get(effect.request);
    if (exchange === undefined) {
      this.#reject(effect, "the client left before the attempt was sent");
      return;
    }
    const generation = { dispatch: effect, exchange };
    const remote = this.#remotes.get(effect.worker);
    if (remote !== undefined) {
      const attempt = this.#begin(effect, exchange, exchange.chat.stream ? "frames" : "document");
      attempt.runs(generateOnRemote(upstream, remote, generation, attempt));
      return;
    }
    const origin = addresses.get(effect.worker);
    if (origin === undefined) {
      this.#reject(effect, `no address is known of worker ${effect.worker}`);
      return;
    }
    const attempt = this.#begin(effect, exchange, "text");
    attempt.runs(generateOnWorker(upstream, { origin, supervisor }, generation, attempt));
  }

  cancel(effect: CancelAttempt): void {
    this.#attempts.get(effect.attempt)?.cancel();
  }

  /** Attempts whose end has not been reported or asked for. */
  get running(): number {
    return this.#attempts.size;
  }

  #begin(effect: Dispatch, exchange: Exchange, format: Outbox["format"]): Attempt {
    const outbox = new Outbox({ attempt: effect.attempt, model: effect.model, format });
    exchange.outboxes.set(effect.attempt, outbox);
    const attempt = new Attempt({
      outbox,
      exchange,
      submit: this.#options.submit,
      ended: () => this.#attempts.delete(effect.attempt),
    });
    this.#attempts.set(effect.attempt, attempt);
    return attempt;
  }

  #reject(effect: Dispatch, message: string): void {
    this.#options.submit({
      kind: "attempt_failed",
      attempt: effect.attempt,
      reason: "unreachable",
      message,
    });
  }
}

interface AttemptOptions {
  outbox: Outbox;
  exchange: Exchange;
  submit: (event: SupervisorEvent) => void;
  ended: () => void;
}

/** An attempt under way. Once it has ended or was cancelled it submits nothing more. */
class Attempt implements GenerationListener {
  readonly #outbox: Outbox;
  readonly #exchange: Exchange;
  readonly #submit: (event: SupervisorEvent) => void;
  readonly #ended: () => void;
  #over = false;

  constructor(options: AttemptOptions) {
    this.#outbox = options.outbox;
    this.#exchange = options.exchange;
    this.#submit = options.submit;
    this.#ended = options.ended;
  }

  runs(call: Outbox["source"]): void {
    this.#outbox.source = call;
    if (this.#over) call?.abort();
    else if (this.#exchange.blocked) call?.pause();
  }

  /** What has come stays in the outbox: an attempt that is cut short can still be the answer. */
  cancel(): void {
    this.#end();
    this.#outbox.source?.abort();
  }

  started(promptTokens: number, cachedTokens: number): void {
    if (this.#over) return;
    this.#submit({ kind: "attempt_started", attempt: this.#outbox.attempt, promptTokens, cachedTokens });
  }

  output(tokens: number, text: string): void {
    if (this.#over) return;
    this.#outbox.push(tokens, text);
    if (tokens > 0) this.#submit({ kind: "attempt_output", attempt: this.#outbox.attempt, tokens });
  }

  finished(finishReason: string, usage: TokenUsage): void {
    if (this.#over) return;
    this.#end();
    this.#outbox.isComplete = true;
    this.#submit({ kind: "attempt_finished", attempt: this.#outbox.attempt, finishReason, usage });
  }

  failed(reason: FailureReason, message: string): void {
    if (this.#over) return;
    this.#end();
    this.#submit({
      kind: "attempt_failed",
      attempt: this.#outbox.attempt,
      reason,
      message: message.slice(0, MESSAGE_LENGTH_MAX),
    });
  }

  #end(): void {
    this.#over = true;
    this.#ended();
  }
}
