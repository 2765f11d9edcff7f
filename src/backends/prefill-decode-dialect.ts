import type { FailureReason } from "../core/vocabulary.ts";
import { EventStreamParser } from "./event-stream.ts";
import { flatPrompt } from "./flat-prompt.ts";
import { BodyCollector, parseOrNull, refusalOf } from "./generation.ts";
import type { GenerationListener, WorkerGeneration } from "./generation.ts";
import type { ResponseHeaders, ResponseReader, Upstream, UpstreamCall } from "./upstream.ts";

const DOCUMENT_BYTES_MAX = 64 * 1024;
const HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream" };

/**
 * The dialect of workers that know no more than prefill and decode: `POST /worker/prefill` reads
 * a prompt into a session, `POST /worker/decode` streams its tokens, one an event. Such a worker
 * does not count the prompt, so the upper bound stands for its length; and it has no word for
 * the end of an answer, so only the proper end of the HTTP body is one. Closing the connection
 * cancels.
 */
export function generateByPrefillDecode(
  upstream: Upstream,
  origin: string,
  generation: WorkerGeneration,
  listener: GenerationListener,
): UpstreamCall | null {
  const prompt = flatPrompt(generation);
  if (typeof prompt !== "string") {
    listener.failed("request_rejected", prompt.refused);
    return null;
  }
  const session = new Session({ upstream, origin, generation, listener });
  session.prefill(prompt);
  return session;
}

interface SessionOptions {
  upstream: Upstream;
  origin: string;
  generation: WorkerGeneration;
  listener: GenerationListener;
}

/**
 * One session at a worker: two calls, one after the other, that look like one from outside.
 *
 * ```
 *   prefill ──ok──▶ decode ──end of body──▶ over
 *      └── refused, broken ──▶ over ◀── broken, out of order, cut short
 * ```
 */
class Session implements UpstreamCall {
  readonly #options: SessionOptions;
  readonly #id: string;
  /** Whichever runs now. */
  #call: UpstreamCall | null = null;
  #paused = false;
  #over = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    // Workers may use it in a path or a file name.
    this.#id = options.generation.dispatch.attempt.replaceAll(/[^\w-]/g, "-");
  }

  prefill(prompt: string): void {
    const { exchange, dispatch } = this.#options.generation;
    const body = {
      session_id: this.#id,
      prompt,
      // As the client called it: the worker says of no model that it serves it, so there is no other name.
      model: exchange.asked.model,
      max_tokens: dispatch.maxTokens,
    };
    this.#post("/worker/prefill", body, new PrefillReader(this));
  }

  prefilled(): void {
    const { listener, generation } = this.#options;
    const { maxTokens } = generation.dispatch;
    listener.started(generation.exchange.asked.promptTokensMax, 0);
    // Whoever was told may have cancelled.
    if (this.#over) return;
    const body = { session_id: this.#id, max_tokens: maxTokens };
    this.#post("/worker/decode", body, new DecodeReader(this, maxTokens));
  }

  token(text: string): void {
    this.#options.listener.output(0, { tokens: 1, text, logprobs: null });
  }

  finish(finishReason: string, completionTokens: number): void {
    if (this.#over) return;
    this.abort();
    const { listener, generation } = this.#options;
    const promptTokens = generation.exchange.asked.promptTokensMax;
    listener.finished(finishReason, { promptTokens, cachedTokens: 0, completionTokens });
  }

  fail(reason: FailureReason, message: string): void {
    if (this.#over) return;
    this.abort();
    this.#options.listener.failed(reason, message);
  }

  get over(): boolean {
    return this.#over;
  }

  pause(): void {
    this.#paused = true;
    this.#call?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#call?.resume();
  }

  abort(): void {
    this.#over = true;
    this.#call?.abort();
  }

  #post(path: string, document: object, reader: ResponseReader): void {
    const { upstream, origin } = this.#options;
    const body = JSON.stringify(document);
    this.#call = upstream.post({ origin, path, headers: HEADERS, body }, reader);
    if (this.#over) this.#call.abort();
    else if (this.#paused) this.#call.pause();
  }
}

/** What both calls do alike: an answer with another status than 200 says why there will be none. */
abstract class SessionReader implements ResponseReader {
  protected readonly session: Session;
  /** What comes as a whole: an answer to a prefill, or a refusal. */
  protected readonly document = new BodyCollector(DOCUMENT_BYTES_MAX);
  #status = 0;

  constructor(session: Session) {
    this.session = session;
  }

  protected abstract accept(chunk: Buffer): void;
  protected abstract complete(): void;

  head(status: number, _headers: ResponseHeaders): void {
    this.#status = status;
  }

  data(chunk: Buffer): void {
    if (this.session.over) return;
    if (this.accepted) this.accept(chunk);
    else this.document.add(chunk);
  }

  end(): void {
    if (this.accepted) {
      this.complete();
      return;
    }
    const { reason, message } = refusalOf(this.#status, this.document.text());
    this.session.fail(reason, message);
  }

  abstract broken(message: string): void;

  protected get accepted(): boolean {
    return this.#status === 200;
  }
}

class PrefillReader extends SessionReader {
  protected override accept(chunk: Buffer): void {
    this.document.add(chunk);
  }

  protected override complete(): void {
    const text = this.document.text();
    if (statusOf(text) === "ok") this.session.prefilled();
    else this.session.fail("endpoint_error", `the worker's prefill failed: ${text.slice(0, 100)}`);
  }

  override broken(message: string): void {
    this.session.fail("unreachable", message);
  }
}

class DecodeReader extends SessionReader {
  readonly #tokensMax: number;
  readonly #parser = new EventStreamParser((data) => this.#read(data));
  /** Whether the end of the body can be told from a connection that broke. */
  #hasEnd = false;
  #tokens = 0;

  constructor(session: Session, tokensMax: number) {
    super(session);
    this.#tokensMax = tokensMax;
  }

  override head(status: number, headers: ResponseHeaders): void {
    super.head(status, headers);
    this.#hasEnd = "transfer-encoding" in headers || "content-length" in headers;
  }

  protected override accept(chunk: Buffer): void {
    if (!this.#parser.push(chunk)) this.session.fail("endpoint_error", "the worker sent an endless event");
  }

  protected override complete(): void {
    if (this.#hasEnd && this.#parser.isBetweenEvents) {
      this.session.finish(this.#tokens >= this.#tokensMax ? "length" : "stop", this.#tokens);
    } else {
      this.session.fail("stream_broken", "the worker's stream ended before the answer did");
    }
  }

  override broken(message: string): void {
    this.session.fail(this.accepted ? "stream_broken" : "unreachable", message);
  }

  #read(data: string): void {
    if (this.session.over) return;
    const event = parseOrNull(data) as { token?: unknown; seq?: unknown; error?: unknown } | null;
    const { token, seq, error } = event ?? {};
    if (error !== undefined) {
      this.session.fail("endpoint_error", refusalOf(200, data).message);
    } else if (typeof token !== "string" || typeof seq !== "number") {
      const seen = data.slice(0, 100);
      this.session.fail("endpoint_error", `the worker sent something that is no token: ${seen}`);
    } else if (seq !== this.#tokens) {
      const message = `the worker sent token ${seq} where token ${this.#tokens} was next`;
      this.session.fail("stream_broken", message);
    } else {
      this.#tokens += 1;
      this.session.token(token);
    }
  }
}

function statusOf(text: string): unknown {
  return (parseOrNull(text) as { status?: unknown } | null)?.status;
}
