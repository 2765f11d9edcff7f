import type { FailureReason, TokenUsage } from "../core/vocabulary.ts";
import type { Piece, TokenLogprob } from "../exchange/outbox.ts";
import type { CacheNames } from "./cache-names.ts";
import { postBriefly } from "./brief-call.ts";
import { EventStreamParser } from "./event-stream.ts";
import { BodyCollector, ERROR_BODY_BYTES_MAX, isTokenCount, parseOrNull, refusalOf } from "./generation.ts";
import type { GenerationListener, WorkerGeneration } from "./generation.ts";
import type { ResponseReader, Upstream, UpstreamCall } from "./upstream.ts";

const HEADERS = { "content-type": "application/json", accept: "text/event-stream" };

export interface WorkerAddress {
  origin: string;
  /** Who we are, so that the worker can tell us how many of its sessions are ours. */
  supervisor: string;
  /** Told what the worker calls the blocks of a prompt. */
  cacheNames: CacheNames;
}

/**
 * Headgate's own dialect, `POST /worker/generate`: always streamed, with token counts in
 * every event. Closing the connection cancels the generation.
 */
export function generateOnWorker(
  upstream: Upstream,
  address: WorkerAddress,
  generation: WorkerGeneration,
  listener: GenerationListener,
): UpstreamCall {
  const body = workerRequest(address.supervisor, generation);
  const stream = new WorkerStream(listener, generation, address.cacheNames);
  const request = { origin: address.origin, path: "/worker/generate", headers: HEADERS, body };
  const call = upstream.post(request, stream);
  stream.call = call;
  return call;
}

function workerRequest(
  supervisor: string,
  { dispatch, exchange, prompt, continuation }: WorkerGeneration,
): string {
  const { sampling, grammar, logitBias, topLogprobs } = prompt;
  return JSON.stringify({
    id: dispatch.attempt,
    supervisor,
    model: dispatch.model,
    prompt: prompt.input,
    session: null,
    n: dispatch.choices,
    max_tokens: dispatch.maxTokens,
    credit: dispatch.creditTokens,
    // The worker counts on from it for its own choices: with one seed for all they would be copies of each other.
    sampling: sampling.seed === undefined ? sampling : { ...sampling, seed: sampling.seed + dispatch.choice },
    stop: prompt.stop,
    ignore_eos: prompt.ignoreEos,
    // What is undefined is left out: most requests ask for none of these.
    grammar: grammar ?? undefined,
    logit_bias: logitBias ?? undefined,
    logprobs: topLogprobs ?? undefined,
    continue: continuation ?? undefined,
    want_blocks: exchange.blocks.length > 0 ? true : undefined,
    park_at: dispatch.isPrefillOnly ? 0 : undefined,
  });
}

/** Asks for the generation to stop between two tokens; its own stream tells when it has. */
export function parkGeneration(upstream: Upstream, at: { origin: string; attempt: string }): void {
  const path = `/worker/generate/${encodeURIComponent(at.attempt)}/park`;
  // A worker that can't be reached ends the stream itself, one way or the other.
  postBriefly(
    upstream,
    { origin: at.origin, path, headers: { "content-type": "application/json" }, body: "{}" },
    IGNORED,
  );
}

/** Tells the worker that nobody will fetch the state of a parked generation; it would expire without. */
export function freeState(upstream: Upstream, at: { origin: string; attempt: string }): void {
  const path = `/worker/generate/${encodeURIComponent(at.attempt)}`;
  postBriefly(upstream, { origin: at.origin, method: "DELETE", path, headers: {}, body: "" }, IGNORED);
}

const IGNORED = { head() {}, data() {}, end() {}, broken() {} };

/**
 * Tells the worker how far the hold covers the generation now. Nobody waits for it: without it the
 * worker halts where the hold ends, and the stream ends by itself. As it says a total and no
 * difference, it may be said twice, and is when the connection failed. Ends with its deadline, or
 * when it is aborted with the generation.
 */
export function grantCredit(
  upstream: Upstream,
  grant: { origin: string; attempt: string; creditTokens: number },
): Pick<UpstreamCall, "abort"> {
  const request = {
    origin: grant.origin,
    path: `/worker/generate/${encodeURIComponent(grant.attempt)}/credit`,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ credit: grant.creditTokens }),
  };
  let second: UpstreamCall | null = null;
  const broken = (): void => {
    second = postBriefly(upstream, request, IGNORED);
  };
  const first = postBriefly(upstream, request, { ...IGNORED, broken });
  return {
    abort() {
      first.abort();
      second?.abort();
    },
  };
}

type WorkerEvent =
  | { type: "started"; prompt_tokens: number; cached_tokens: number; blocks?: number[] }
  | { type: "tokens"; choice?: number; ids: number[]; text: string; logprobs?: TokenLogprob[] }
  | { type: "credit"; choice?: number; used: number }
  | { type: "finished"; choice: number; finish_reason: string }
  | { type: "parked"; state: unknown }
  | { type: "done"; finish_reason: string; usage: WorkerUsage }
  | { type: "error"; code: string; message: string };

interface WorkerUsage {
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
}

/**
 * ```
 *   waiting ──head 200──▶ streaming ──done | error──▶ over
 *      └─────head other──▶ refused ──end──▶ over
 * ```
 */
class WorkerStream implements ResponseReader {
  call: UpstreamCall | null = null;
  readonly #listener: GenerationListener;
  readonly #parser = new EventStreamParser((data) => this.#read(data));
  #state: "waiting" | "streaming" | "refused" | "over" = "waiting";
  #status = 0;
  #refusal: BodyCollector | null = null;
  readonly #choices: number;
  readonly #promptTokensMax: number;
  readonly #cacheNames: CacheNames;
  readonly #texts: readonly number[];
  readonly #finished = new Set<number>();
  /** Received, of all choices. */
  #tokens = 0;

  constructor(
    listener: GenerationListener,
    { dispatch, exchange }: WorkerGeneration,
    cacheNames: CacheNames,
  ) {
    this.#listener = listener;
    this.#cacheNames = cacheNames;
    this.#texts = exchange.blocks;
    this.#choices = dispatch.choices;
    this.#promptTokensMax = exchange.asked.promptTokensMax;
    this.#tokens = dispatch.resume?.tokens ?? 0;
  }

  head(status: number): void {
    this.#status = status;
    if (status === 200) {
      this.#state = "streaming";
    } else {
      this.#state = "refused";
      this.#refusal = new BodyCollector(ERROR_BODY_BYTES_MAX);
    }
  }

  data(chunk: Buffer): void {
    if (this.#state === "streaming") {
      if (!this.#parser.push(chunk)) this.#fail("endpoint_error", "the worker sent an endless event");
    } else {
      this.#refusal?.add(chunk);
    }
  }

  end(): void {
    if (this.#state === "refused") {
      const { reason, message } = refusalOf(this.#status, this.#refusal?.text() ?? "");
      this.#fail(reason, message);
    } else {
      this.#fail("stream_broken", "the worker's stream ended before the answer did");
    }
  }

  broken(message: string): void {
    this.#fail(this.#state === "streaming" ? "stream_broken" : "unreachable", message);
  }

  #read(data: string): void {
    if (this.#state !== "streaming") return;
    const event = parseEvent(data);
    if (event === null || ("choice" in event && !this.#isRunning(event.choice))) {
      this.#fail("endpoint_error", `the worker sent something that is no event: ${data.slice(0, 100)}`);
      return;
    }
    switch (event.type) {
      case "started":
        this.#start(event);
        return;
      case "tokens":
        this.#tokens += event.ids.length;
        this.#listener.output(event.choice ?? 0, pieceOf(event));
        return;
      case "finished":
        this.#finishChoice(event.choice, event.finish_reason);
        return;
      case "credit":
        // Halted until there is more credit. The core knows how much it granted and sees the silence.
        return;
      case "parked":
        this.#state = "over";
        this.#listener.parked(event.state !== null);
        return;
      case "done":
        this.#finish(event);
        return;
      case "error":
        this.#fail("endpoint_error", `${event.message} (${event.code})`);
        return;
    }
  }

  #start({ prompt_tokens, cached_tokens, blocks = [] }: Extract<WorkerEvent, { type: "started" }>): void {
    this.#cacheNames.learn({ texts: this.#texts, tokens: blocks, promptTokens: prompt_tokens });
    const promptTokens = Math.min(prompt_tokens, this.#promptTokensMax);
    this.#listener.started(promptTokens, Math.min(cached_tokens, promptTokens));
  }

  #isRunning(choice: number): boolean {
    return isTokenCount(choice) && choice < this.#choices && !this.#finished.has(choice);
  }

  #finishChoice(choice: number, reason: string): void {
    this.#finished.add(choice);
    // The end of the last one is the end of them all, which `done` tells.
    if (this.#finished.size < this.#choices) this.#listener.choiceFinished(choice, finishReason(reason));
  }

  #finish(event: { finish_reason: string; usage: WorkerUsage }): void {
    // We close the connection to cancel, so a cancellation we read was not ours.
    if (event.finish_reason === "cancelled") {
      this.#fail("endpoint_error", "the worker cancelled the generation");
      return;
    }
    this.#state = "over";
    // A worker can't have read more than there was, nor be paid for what it has not sent: a count
    // beyond that is a mistake of its own, and nothing is held for it.
    const promptTokens = Math.min(event.usage.prompt_tokens, this.#promptTokensMax);
    const usage: TokenUsage = {
      promptTokens,
      cachedTokens: Math.min(event.usage.cached_tokens, promptTokens),
      completionTokens: Math.min(event.usage.completion_tokens, this.#tokens),
    };
    this.#listener.finished(finishReason(event.finish_reason), usage);
  }

  #fail(reason: FailureReason, message: string): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.call?.abort();
    this.#listener.failed(reason, message);
  }
}

/** Null when it is not an event of this dialect; only the fields that would do harm are looked at. */
function parseEvent(data: string): WorkerEvent | null {
  const event = parseOrNull(data) as WorkerEvent | null;
  switch (event?.type) {
    case "started":
      return isTokenCount(event.prompt_tokens) && isTokenCount(event.cached_tokens) && areBlocks(event.blocks)
        ? event
        : null;
    case "tokens":
      return Array.isArray(event.ids) && typeof event.text === "string" && areLogprobs(event.logprobs)
        ? event
        : null;
    case "finished":
      return isTokenCount(event.choice) ? event : null;
    case "done":
      return isTokenCount(event.usage?.prompt_tokens) &&
        isTokenCount(event.usage.cached_tokens) &&
        isTokenCount(event.usage.completion_tokens)
        ? event
        : null;
    case "credit":
    case "parked":
    case "error":
      return event;
    default:
      return null;
  }
}

function areBlocks(blocks: unknown): boolean {
  return blocks === undefined || (Array.isArray(blocks) && blocks.every(Number.isSafeInteger));
}

function areLogprobs(logprobs: unknown): boolean {
  if (logprobs === undefined) return true;
  return (
    Array.isArray(logprobs) &&
    logprobs.every((one) => isCandidate(one) && Array.isArray(one.top) && one.top.every(isCandidate))
  );
}

function isCandidate(value: unknown): value is TokenLogprob {
  const { token, bytes, logprob } = (value ?? {}) as Partial<TokenLogprob>;
  return typeof token === "string" && typeof logprob === "number" && Array.isArray(bytes);
}

function pieceOf({ ids, text, logprobs }: { ids: number[]; text: string; logprobs?: TokenLogprob[] }): Piece {
  return { tokens: ids.length, text, logprobs: logprobs ?? null, ids };
}

function finishReason(reason: string): string {
  return reason === "stop" ? "stop" : "length";
}
