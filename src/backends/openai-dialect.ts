import { isUnambiguous, lookAlike } from "./decisive-names.ts";
import type { FailureReason, TokenUsage } from "../core/vocabulary.ts";
import { isObject } from "../exchange/client-request.ts";
import type { ClientRequest, Document } from "../exchange/client-request.ts";
import { EventStreamParser, eventFrame } from "./event-stream.ts";
import { BodyCollector, ERROR_BODY_BYTES_MAX, isTokenCount, parseOrNull, refusalOf } from "./generation.ts";
import type { Generation, GenerationListener } from "./generation.ts";
import type { ResponseReader, Upstream, UpstreamCall } from "./upstream.ts";

const DOCUMENT_BYTES_MAX = 64 * 1024 * 1024;

/** An OpenAI-compatible server by address and key. */
export interface RemoteEndpoint {
  /** The name that stands where a worker's id stands. */
  name: string;
  /** Base address as OpenAI's clients take it, such as `https://api.openai.com/v1`. */
  url: string;
  /** Sent as a bearer token; null where none is wanted. */
  apiKey: string | null;
  /** What the server calls each of the models it serves for us. */
  models: Record<string, string>;
  /** How it takes the ceiling of a chat completion whose client names none; `max_tokens` if absent. */
  maxTokensName?: "max_tokens" | "max_completion_tokens";
}

/** One call to a remote API; its own stream or document becomes the client's. */
export function generateOnRemote(
  upstream: Upstream,
  remote: RemoteEndpoint,
  generation: Generation,
  listener: GenerationListener,
): UpstreamCall | null {
  const address = new URL(remote.url);
  const { asked } = generation.exchange;
  const wrong = lookAlike(asked.document);
  if (wrong !== null) {
    listener.failed("request_rejected", `\`${wrong}\` has to be written in small letters.`);
    return null;
  }
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: asked.stream ? "text/event-stream" : "application/json",
  };
  if (remote.apiKey !== null) headers["authorization"] = `Bearer ${remote.apiKey}`;

  const { creditTokens } = generation.dispatch;
  const reader = asked.stream
    ? new RemoteStream(listener, asked, creditTokens)
    : new RemoteDocument(listener, asked, creditTokens);
  const call = upstream.post(
    {
      origin: address.origin,
      path: `${address.pathname.replace(/\/$/, "")}/${asked.surface === "chat" ? "chat/completions" : "completions"}`,
      headers,
      body: remoteBody(remote, generation),
    },
    reader,
  );
  reader.call = call;
  return call;
}

/** The client's own bytes, unless something in them has to change. */
export function remoteBody(remote: RemoteEndpoint, { dispatch, exchange }: Generation): Buffer | string {
  const { asked, body } = exchange;
  const { document } = asked;
  const model = remote.models[dispatch.model] ?? dispatch.model;
  const usageMissing = asked.stream && !asked.includeUsage;
  const ceilings = ceilingNames(asked, remote);
  const ceilingDiffers = ceilings.some((name) => document[name] !== dispatch.maxTokens);
  if (model === asked.model && !ceilingDiffers && !usageMissing && isUnambiguous(body)) return body;

  const changed: Record<string, unknown> = { ...document, model };
  for (const name of ceilings) changed[name] = dispatch.maxTokens;
  if (usageMissing) {
    changed["stream_options"] = { ...(document["stream_options"] as object | null), include_usage: true };
  }
  return JSON.stringify(changed);
}

/** Those the client used: some servers know only the old name, some models only the new. */
function ceilingNames({ surface, document }: ClientRequest, { maxTokensName }: RemoteEndpoint): string[] {
  const used = ["max_tokens", "max_completion_tokens"].filter((name) => (document[name] ?? null) !== null);
  if (used.length > 0) return used;
  return [surface === "chat" ? (maxTokensName ?? "max_tokens") : "max_tokens"];
}

/** The parts of a chunk or an answer that decide what to do with it, as far as they are what they should be; the client reads the rest. */
interface RemoteAnswer {
  choices: Document[];
  usage: Document | null;
  /** What the server says it has billed the work as; null when it does not. */
  serviceTier: string | null;
  error: unknown;
}

/** OpenAI bills its tier `flex` as its batch interface. */
const BATCH_TIERS: ReadonlySet<string | null> = new Set(["flex", "batch"]);

/** Once a server has accepted a request it bills it, whatever becomes of the answer: what can't be read is a broken one. */
abstract class RemoteReader implements ResponseReader {
  call: UpstreamCall | null = null;
  protected readonly listener: GenerationListener;
  protected readonly promptTokensMax: number;
  #accepted = false;
  #over = false;
  #status = 0;
  readonly #refusal = new BodyCollector(ERROR_BODY_BYTES_MAX);

  constructor(listener: GenerationListener, asked: ClientRequest) {
    this.listener = listener;
    this.promptTokensMax = asked.promptTokensMax;
  }

  protected abstract accept(chunk: Buffer): void;
  /** The response to an accepted request is complete. */
  protected abstract complete(): void;

  head(status: number): void {
    this.#status = status;
    this.#accepted = status === 200;
  }

  data(chunk: Buffer): void {
    if (this.#over) return;
    if (this.#accepted) this.accept(chunk);
    else this.#refusal.add(chunk);
  }

  end(): void {
    if (this.#over) return;
    if (this.#accepted) {
      this.complete();
      return;
    }
    const { reason, message } = refusalOf(this.#status, this.#refusal.text());
    this.fail(reason, message);
  }

  /** What was sent may be answered, and billed, although we never see it. */
  broken(message: string, wasSent: boolean): void {
    this.fail(wasSent ? "stream_broken" : "unreachable", message);
  }

  protected get over(): boolean {
    return this.#over;
  }

  protected finish(finishReason: string, usage: TokenUsage): void {
    this.#over = true;
    this.listener.finished(finishReason, usage);
  }

  protected fail(reason: FailureReason, message: string): void {
    if (this.#over) return;
    this.#over = true;
    this.call?.abort();
    this.listener.failed(reason, message);
  }

  /** What the server counted; where it did not count, an upper bound for the prompt and what we saw of the answer. */
  protected usageOf(
    { usage, serviceTier }: Pick<RemoteAnswer, "usage" | "serviceTier">,
    tokensSeen: number,
  ): TokenUsage {
    const reasoningTokens = detailOf(usage, "completion_tokens_details", "reasoning_tokens");
    return {
      promptTokens: countOr(this.promptTokensMax, usage?.["prompt_tokens"]),
      cachedTokens: detailOf(usage, "prompt_tokens_details", "cached_tokens"),
      completionTokens: countOr(tokensSeen, usage?.["completion_tokens"]),
      ...(reasoningTokens === 0 ? {} : { reasoningTokens }),
      ...(BATCH_TIERS.has(serviceTier) ? { isBatch: true } : {}),
    };
  }
}

class RemoteStream extends RemoteReader {
  readonly #parser = new EventStreamParser((data) => this.#read(data));
  /** Of all choices together. */
  readonly #creditTokens: number;
  /** Chunks that carry something, and the bytes of text in them. */
  #tokens = 0;
  #bytes = 0;
  #finishReason: string | null = null;
  #usage: Document | null = null;
  #serviceTier: string | null = null;

  constructor(listener: GenerationListener, asked: ClientRequest, creditTokens: number) {
    super(listener, asked);
    this.#creditTokens = creditTokens;
  }

  /** What has come, where nobody has counted it. */
  get #tokensAtMost(): number {
    return Math.max(this.#tokens, Math.min(this.#bytes, this.#creditTokens));
  }

  protected override accept(chunk: Buffer): void {
    if (!this.#parser.push(chunk)) this.fail("stream_broken", "the upstream sent an endless event");
  }

  protected override complete(): void {
    this.fail("stream_broken", "the upstream's stream ended without [DONE]");
  }

  #read(data: string): void {
    if (this.over) return;
    if (data === "[DONE]") {
      this.finish(
        this.#finishReason ?? "stop",
        this.usageOf({ usage: this.#usage, serviceTier: this.#serviceTier }, this.#tokensAtMost),
      );
      return;
    }
    const chunk = readAnswer(data);
    if (chunk === null) {
      this.fail("stream_broken", `the upstream sent something that is no chunk: ${data.slice(0, 100)}`);
      return;
    }
    if (chunk.error !== null) {
      this.fail("stream_broken", refusalOf(200, data).message);
      return;
    }
    const { choices, usage } = chunk;
    this.#usage = usage ?? this.#usage;
    this.#serviceTier = chunk.serviceTier ?? this.#serviceTier;
    if (choices.length === 0 && usage !== null) {
      this.listener.usageChunk(data);
      return;
    }

    let tokens = 0;
    let bytes = 0;
    for (const choice of choices) {
      bytes += textBytes(choice["delta"] ?? choice["text"]);
      if (choice["text"] || carriesToken(choice["delta"])) tokens += 1;
      this.#finishReason = finishReasonOf(choice) ?? this.#finishReason;
    }
    if (tokens > 0 && this.#tokens === 0) this.listener.started(this.promptTokensMax, 0);
    this.#tokens += tokens;
    this.#bytes += bytes;
    // Nobody says how many tokens a chunk has, but each of them has a byte at least.
    const tokensMax = Math.max(tokens, bytes);
    this.listener.output(0, { tokens, tokensMax, text: eventFrame(data), logprobs: null });
  }
}

class RemoteDocument extends RemoteReader {
  readonly #body = new BodyCollector(DOCUMENT_BYTES_MAX);
  readonly #creditTokens: number;

  constructor(listener: GenerationListener, asked: ClientRequest, creditTokens: number) {
    super(listener, asked);
    this.#creditTokens = creditTokens;
  }

  protected override accept(chunk: Buffer): void {
    if (!this.#body.add(chunk)) this.fail("stream_broken", "the upstream's answer is too long");
  }

  protected override complete(): void {
    const text = this.#body.text();
    const answer = readAnswer(text);
    const choice = answer?.choices[0];
    if (answer === null || choice === undefined) {
      this.fail("stream_broken", refusalOf(200, text).message);
      return;
    }
    // No tokenizer makes more tokens of a text than it has bytes.
    const tokensMax = Math.min(Buffer.byteLength(text), this.#creditTokens);
    const usage = this.usageOf(answer, tokensMax);
    this.listener.started(usage.promptTokens, usage.cachedTokens);
    // One that is longer than it was allowed to be has come all the same, and its excess is charged as overage.
    const tokens = Math.min(usage.completionTokens, this.#creditTokens);
    this.listener.output(0, { tokens, text, logprobs: null });
    this.finish(finishReasonOf(choice) ?? "stop", usage);
  }
}

/** One chunk is taken for one token until the usage at the end tells better. */
function carriesToken(delta: unknown): boolean {
  if (!isObject(delta)) return false;
  for (const name in delta) {
    if (name !== "role" && delta[name] !== null && delta[name] !== "") return true;
  }
  return false;
}

/** What a chunk says beside the text. */
const LABELS: ReadonlySet<string> = new Set(["role", "id", "type", "index"]);

/** Bytes of text in what a chunk adds to an answer, whatever kind of text: said, thought, or arguments of a tool. */
function textBytes(added: unknown): number {
  if (typeof added === "string") return Buffer.byteLength(added);
  if (typeof added !== "object" || added === null) return 0;
  let bytes = 0;
  for (const [name, value] of Object.entries(added)) if (!LABELS.has(name)) bytes += textBytes(value);
  return bytes;
}

function finishReasonOf({ finish_reason: reason }: Document): string | null {
  return typeof reason === "string" ? reason : null;
}

function detailOf(usage: Document | null, group: string, name: string): number {
  const details = usage?.[group];
  return countOr(0, isObject(details) ? details[name] : undefined);
}

function countOr(fallback: number, value: unknown): number {
  return isTokenCount(value) ? value : fallback;
}

/** Null for what no client could read either: no JSON object, or choices that are no objects in an array. */
function readAnswer(text: string): RemoteAnswer | null {
  const document = parseOrNull(text);
  if (!isObject(document)) return null;
  const choices = document["choices"] ?? [];
  if (!Array.isArray(choices) || !choices.every(isObject)) return null;
  const { usage, service_tier: tier } = document;
  return {
    choices,
    usage: isObject(usage) ? usage : null,
    serviceTier: typeof tier === "string" ? tier : null,
    error: document["error"] ?? null,
  };
}
