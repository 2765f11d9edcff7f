import type {
  AskReceipts,
  CancelAttempt,
  Dispatch,
  FreeState,
  GrantCredit,
  ParkAttempt,
} from "../core/effects.ts";
import { ChurnMap } from "../core/churn.ts";
import type { SupervisorEvent } from "../core/events.ts";
import { ANY_MODEL } from "../core/vocabulary.ts";
import type { FailureReason, TokenUsage } from "../core/vocabulary.ts";
import type { Exchange, Exchanges } from "../exchange/exchange.ts";
import type { Outbox, Piece, PieceFormat, ToolCallForm } from "../exchange/outbox.ts";
import { readPrompt } from "../exchange/read-prompt.ts";
import type { EndpointsPort } from "../supervisor/ports.ts";
import type { CacheNames } from "./cache-names.ts";
import type { Continuation, GenerationListener } from "./generation.ts";
import { generateOnRemote } from "./openai-dialect.ts";
import type { RemoteEndpoint } from "./openai-dialect.ts";
import { generateByPrefillDecode } from "./prefill-decode-dialect.ts";
import { readReceipts } from "./receipts.ts";
import type { Upstream, UpstreamCall } from "./upstream.ts";
import type { WorkerAddresses } from "./worker-addresses.ts";
import { freeState, generateOnWorker, grantCredit, parkGeneration } from "./worker-dialect.ts";

const MESSAGE_LENGTH_MAX = 500;

export interface EndpointsOptions {
  upstream: Upstream;
  exchanges: Exchanges;
  addresses: WorkerAddresses;
  cacheNames: CacheNames;
  remotes: RemoteEndpoint[];
  /** This supervisor's id, as workers know it. */
  supervisor: string;
  submit: (event: SupervisorEvent) => void;
}

/** Carries attempts out: finds the endpoint, speaks its dialect, and turns what comes back into events. */
export class Endpoints implements EndpointsPort {
  readonly #options: EndpointsOptions;
  readonly #remotes: Map<string, RemoteEndpoint>;
  readonly #attempts = new ChurnMap<string, Attempt>();

  constructor(options: EndpointsOptions) {
    this.#options = options;
    this.#remotes = new Map(options.remotes.map((remote) => [remote.name, remote]));
  }

  dispatch(effect: Dispatch): void {
    const exchange = this.#options.exchanges.get(effect.request);
    if (exchange === undefined) {
      this.#fail(effect, "unreachable", "the client left before the attempt was sent");
      return;
    }
    try {
      const remote = this.#remotes.get(effect.worker);
      if (remote === undefined) this.#dispatchToWorker(effect, exchange);
      else this.#dispatchToRemote(effect, { exchange, remote });
    } catch (error) {
      // What this client sent could not be put into words for this endpoint: nobody else's work ends with it.
      const message = `Headgate could not send the request: ${String(error)}`;
      const begun = this.#attempts.get(effect.attempt);
      if (begun === undefined) this.#fail(effect, "endpoint_error", message);
      else begun.failed("endpoint_error", message);
    }
  }

  #dispatchToRemote(
    effect: Dispatch,
    { exchange, remote }: { exchange: Exchange; remote: RemoteEndpoint },
  ): void {
    const { upstream } = this.#options;
    const format = exchange.asked.stream ? "frames" : "document";
    const attempt = this.#begin(effect, exchange, { format, toolCalls: "none" });
    attempt.runs(generateOnRemote(upstream, remote, { dispatch: effect, exchange }, attempt));
  }

  askReceipts({ worker, attempts }: AskReceipts): void {
    const { upstream, addresses, submit } = this.#options;
    const address = addresses.get(worker);
    if (address === undefined) return;
    readReceipts(upstream, { origin: address.origin, attempts }, (receipts) => {
      submit({ kind: "receipts_read", worker, receipts });
    });
  }

  #dispatchToWorker(effect: Dispatch, exchange: Exchange): void {
    const { upstream, addresses, cacheNames, supervisor } = this.#options;
    const address = addresses.get(effect.worker);
    if (address === undefined) {
      this.#fail(effect, "unreachable", `no address is known of worker ${effect.worker}`);
      return;
    }
    const prompt = exchange.prompt ?? readPrompt(exchange.asked);
    if ("code" in prompt) {
      // A remote API serves the model too, and may take what a worker can't.
      this.#fail(effect, "request_rejected", prompt.message);
      return;
    }
    const { origin, dialect } = address;
    const attempt = this.#begin(effect, exchange, { format: "text", toolCalls: prompt.toolCalls });
    const continuation = this.#continuation(effect, exchange);
    const generation = { dispatch: effect, exchange, prompt, continuation };
    switch (dialect) {
      case "headgate":
        attempt.origin = origin;
        attempt.runs(generateOnWorker(upstream, { origin, supervisor, cacheNames }, generation, attempt));
        return;
      case "prefill_decode":
        attempt.runs(generateByPrefillDecode(upstream, origin, generation, attempt));
        return;
    }
  }

  /** What another worker has generated, for the next one to go on from. */
  #continuation({ resume, choice }: Dispatch, exchange: Exchange): Continuation | null {
    if (resume === null) return null;
    const continuation = { tokens: exchange.outbox(resume.attempt, choice)?.ids ?? [] };
    const keeper = resume.stateOn === null ? undefined : this.#options.addresses.get(resume.stateOn);
    if (keeper === undefined) return continuation;
    const url = `${keeper.origin}/worker/generate/${encodeURIComponent(resume.attempt)}/state`;
    return { ...continuation, state: { url } };
  }

  park({ attempt }: ParkAttempt): void {
    const origin = this.#attempts.get(attempt)?.origin ?? null;
    if (origin !== null) parkGeneration(this.#options.upstream, { origin, attempt });
  }

  freeState({ worker, attempt }: FreeState): void {
    const address = this.#options.addresses.get(worker);
    if (address !== undefined) freeState(this.#options.upstream, { origin: address.origin, attempt });
  }

  grantCredit({ attempt, creditTokens }: GrantCredit): void {
    const running = this.#attempts.get(attempt);
    const origin = running?.origin ?? null;
    if (origin === null) return;
    running?.granted(grantCredit(this.#options.upstream, { origin, attempt, creditTokens }));
  }

  cancel(effect: CancelAttempt): void {
    this.#attempts.get(effect.attempt)?.cancel();
  }

  /** Attempts whose end has not been reported or asked for. */
  get running(): number {
    return this.#attempts.size;
  }

  #begin(
    effect: Dispatch,
    exchange: Exchange,
    shape: { format: PieceFormat; toolCalls: ToolCallForm },
  ): Attempt {
    const { attempt: id, choice, choices } = effect;
    // A worker that serves any model answers under the name it was asked by.
    const model = effect.model === ANY_MODEL ? exchange.asked.model : effect.model;
    const begun = effect.resume === null ? null : exchange.goOn(id, effect.resume);
    const attempt = new Attempt({
      id,
      outboxes: begun ?? exchange.open({ attempt: id, model, choice, choices, ...shape }),
      exchange,
      submit: this.#options.submit,
      ended: () => this.#attempts.delete(id),
    });
    this.#attempts.set(id, attempt);
    return attempt;
  }

  #fail({ attempt }: Dispatch, reason: FailureReason, message: string): void {
    this.#options.submit({ kind: "attempt_failed", attempt, reason, message });
  }
}

interface AttemptOptions {
  id: string;
  /** By the attempt's own choices. */
  outboxes: readonly Outbox[];
  exchange: Exchange;
  submit: (event: SupervisorEvent) => void;
  ended: () => void;
}

/** An attempt under way. Once it has ended or was cancelled it submits nothing more. */
class Attempt implements GenerationListener {
  /** Where more credit goes; null where there is none to be had. */
  origin: string | null = null;
  readonly #id: string;
  readonly #outboxes: readonly Outbox[];
  readonly #exchange: Exchange;
  readonly #submit: (event: SupervisorEvent) => void;
  readonly #ended: () => void;
  #call: UpstreamCall | null = null;
  /** The last grant of credit. */
  #grant: Pick<UpstreamCall, "abort"> | null = null;
  #over = false;

  constructor(options: AttemptOptions) {
    this.#id = options.id;
    this.#outboxes = options.outboxes;
    this.#exchange = options.exchange;
    this.#submit = options.submit;
    this.#ended = options.ended;
  }

  runs(call: UpstreamCall | null): void {
    this.#call = call;
    for (const outbox of this.#outboxes) outbox.source = call;
    if (this.#over) call?.abort();
    else if (this.#exchange.blocked) call?.pause();
  }

  /** It says the whole, so one before it that is still on its way need not arrive. */
  granted(call: Pick<UpstreamCall, "abort">): void {
    this.#grant?.abort();
    this.#grant = call;
  }

  /** What has come stays in the outboxes: an attempt that is cut short can still be the answer. */
  cancel(): void {
    this.#end();
    this.#call?.abort();
  }

  started(promptTokens: number, cachedTokens: number): void {
    if (this.#over) return;
    this.#submit({ kind: "attempt_started", attempt: this.#id, promptTokens, cachedTokens });
  }

  output(choice: number, piece: Piece): void {
    if (this.#over) return;
    this.#outboxes[choice]?.push(piece);
    const { tokens, tokensMax = tokens } = piece;
    const bound = tokensMax > tokens ? { tokensMax } : {};
    if (tokens > 0) this.#submit({ kind: "attempt_output", attempt: this.#id, choice, tokens, ...bound });
  }

  choiceFinished(choice: number, finishReason: string): void {
    const outbox = this.#outboxes[choice];
    if (this.#over || outbox === undefined) return;
    outbox.isComplete = true;
    this.#submit({ kind: "choice_finished", attempt: this.#id, choice, finishReason });
  }

  usageChunk(data: string): void {
    const [outbox] = this.#outboxes;
    if (outbox !== undefined) outbox.usageChunk = data;
  }

  finished(finishReason: string, usage: TokenUsage): void {
    if (this.#over) return;
    this.#end();
    for (const outbox of this.#outboxes) outbox.isComplete = true;
    this.#submit({ kind: "attempt_finished", attempt: this.#id, finishReason, usage });
  }

  parked(hasState: boolean): void {
    if (this.#over) return;
    this.#end();
    this.#submit({ kind: "attempt_parked", attempt: this.#id, hasState });
  }

  failed(reason: FailureReason, message: string): void {
    if (this.#over) return;
    this.#end();
    const shown = message.slice(0, MESSAGE_LENGTH_MAX);
    this.#submit({ kind: "attempt_failed", attempt: this.#id, reason, message: shown });
  }

  #end(): void {
    this.#over = true;
    this.#grant?.abort();
    this.#ended();
  }
}
