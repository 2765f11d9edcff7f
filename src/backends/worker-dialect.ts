import type { FailureReason, TokenUsage } from "../core/vocabulary.ts";
import { readPrompt } from "../gateway/prompt.ts";
import { EventStreamParser } from "./event-stream.ts";
import { BodyCollector, refusalOf } from "./generation.ts";
import type { Generation, GenerationListener } from "./generation.ts";
import type { ResponseReader, Upstream, UpstreamCall } from "./upstream.ts";

const ERROR_BODY_BYTES_MAX = 64 * 1024;
const HEADERS = { "content-type": "application/json", accept: "text/event-stream" };

export interface WorkerAddress {
  origin: string;
  /** Who we are, so that the worker can tell us how many of its sessions are ours. */
  supervisor: string;
}

/**
 * Headgate's own dialect, `POST /worker/generate`: always streamed, with token counts in
 * every event. Closing the connection cancels the generation.
 */
export function generateOnWorker(
  upstream: Upstream,
  address: WorkerAddress,
  generation: Generation,
  listener: GenerationListener,
): UpstreamCall | null {
  const body = workerRequest(address.supervisor, generation);
  if (typeof body !== "string") {
    listener.failed("request_rejected", body.refused);
    return null;
  }
  const stream = new WorkerStream(listener);
  const request = { origin: address.origin, path: "/worker/generate", headers: HEADERS, body };
  const call = upstream.post(request, stream);
  stream.call = call;
  return call;
}

function workerRequest(supervisor: string, { dispatch, exchange }: Generation): string | { refused: string } {
  const prompt = exchange.prompt ?? readPrompt(exchange.chat.document);
  // A model that is served both by a remote API and by a worker: the worker may be unable to take what the API can.
  if ("code" in prompt) return { refused: prompt.message };
  const { messages, stop, ignoreEos, sampling } = prompt;
  return JSON.stringify({
    id: dispatch.attempt,
    supervisor,
    model: dispatch.model,
    prompt: { messages },
    session: null,
    max_tokens: dispatch.maxTokens,
    credit: dispatch.creditTokens,
    // With one seed for all of them, the choices would be copies of each other.
    sampling: sampling.seed === undefined ? sampling : { ...sampling, seed: sampling.seed + dispatch.choice },
    stop,
    ignore_eos: ignoreEos,
  });
}

type WorkerEvent =
  | { type: "started"; prompt_tokens: number; cached_tokens: number }
  | { type: "tokens"; ids: number[]; text: string }
  | { type: "credit"; used: number }
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

  constructor(listener: GenerationListener) {
    this.#listener = listener;
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
    if (event === null) {
      this.#fail("endpoint_error", `the worker sent something that is no event: ${data.slice(0, 100)}`);
      return;
    }
    switch (event.type) {
      case "started":
        this.#listener.started(event.prompt_tokens, event.cached_tokens);
        return;
      case "tokens":
        this.#listener.output(event.ids.length, event.text);
        return;
      case "credit":
        // Halted until there is more credit. The core knows how much it granted and sees the silence.
        return;
      case "done":
        this.#finish(event);
        return;
      case "error":
        this.#fail("endpoint_error", `${event.message} (${event.code})`);
        return;
    }
  }

  #finish(event: { finish_reason: string; usage: WorkerUsage }): void {
    // We close the connection to cancel, so a cancellation we read was not ours.
    if (event.finish_reason === "cancelled") {
      this.#fail("endpoint_error", "the worker cancelled the generation");
      return;
    }
    this.#state = "over";
    const usage: TokenUsage = {
      promptTokens: event.usage.prompt_tokens,
      cachedTokens: event.usage.cached_tokens,
      completionTokens: event.usage.completion_tokens,
    };
    this.#listener.finished(event.finish_reason === "stop" ? "stop" : "length", usage);
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
  let event: WorkerEvent;
  try {
    event = JSON.parse(data) as WorkerEvent;
  } catch {
    return null;
  }
  switch (event?.type) {
    case "started":
      return isCount(event.prompt_tokens) && isCount(event.cached_tokens) ? event : null;
    case "tokens":
      return Array.isArray(event.ids) && typeof event.text === "string" ? event : null;
    case "done":
      return isCount(event.usage?.prompt_tokens) &&
        isCount(event.usage.cached_tokens) &&
        isCount(event.usage.completion_tokens)
        ? event
        : null;
    case "credit":
    case "error":
      return event;
    default:
      return null;
  }
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
