import assert from "node:assert/strict";
import { ScriptedServer } from "./scripted-server.ts";
import type { ScriptedCall } from "./scripted-server.ts";

export interface FakeWorkerOptions {
  id?: string;
  model?: string;
  slots?: number;
  contextTokens?: number;
  requestsPerConnection?: number;
}

/** A worker that speaks the wire of `/worker/generate` and generates what the test says. */
export class FakeWorker {
  readonly id: string;
  readonly model: string;
  readonly server: ScriptedServer;
  readonly #slots: number;
  readonly #contextTokens: number;

  private constructor(server: ScriptedServer, options: FakeWorkerOptions) {
    this.server = server;
    this.id = options.id ?? "w1";
    this.model = options.model ?? "tiny";
    this.#slots = options.slots ?? 8;
    this.#contextTokens = options.contextTokens ?? 4_096;
  }

  static async start(options: FakeWorkerOptions = {}): Promise<FakeWorker> {
    return new FakeWorker(await ScriptedServer.start(options), options);
  }

  heartbeat(changes: Record<string, unknown> = {}): Record<string, unknown> {
    return {
      worker_id: this.id,
      worker_url: this.server.url,
      timestamp: Date.now(),
      health: { alive: true, active_sessions: 0, kv_cache_bytes: 0 },
      epoch: "1",
      draining: false,
      own_sessions: 0,
      limits: { sessions_max: 100, session_kv_bytes_max: 2 ** 29, kv_bytes_max: 2 ** 33 },
      models: [
        {
          model: this.model,
          context_tokens: this.#contextTokens,
          slots: this.#slots,
          kv_bytes_per_token: 1_024,
        },
      ],
      ...changes,
    };
  }

  async register(gatewayUrl: string, changes: Record<string, unknown> = {}): Promise<void> {
    const response = await fetch(`${gatewayUrl}/coordinator/health/heartbeat`, {
      method: "POST",
      body: JSON.stringify(this.heartbeat(changes)),
    });
    assert.equal(response.status, 200, await response.text());
  }

  /** The next generation, when it comes. Credit for those before it is read and taken note of. */
  async next(): Promise<FakeGeneration> {
    for (;;) {
      const call = await this.server.next();
      if (!call.path.endsWith("/credit")) return new FakeGeneration(call);
      this.#take(call);
    }
  }

  /** The next grant of credit, when it comes: for which generation, and up to where. */
  async nextCredit(): Promise<{ id: string; credit: unknown }> {
    const call = await this.server.next();
    assert.match(call.path, /\/credit$/);
    return this.#take(call);
  }

  #take(call: ScriptedCall): { id: string; credit: unknown } {
    const id = decodeURIComponent(call.path.split("/").at(-2)!);
    call.json(200, { ok: true });
    return { id, credit: call.body["credit"] };
  }

  close(): Promise<void> {
    return this.server.close();
  }
}

/** One generation, told what to say. */
export class FakeGeneration {
  readonly call: ScriptedCall;
  /** By choice. */
  readonly #tokens: number[];

  constructor(call: ScriptedCall) {
    assert.equal(call.path, "/worker/generate");
    this.call = call;
    this.#tokens = Array.from({ length: this.choices }, () => 0);
  }

  get request(): Record<string, unknown> {
    return this.call.body;
  }

  /** `n` as it was asked for. */
  get choices(): number {
    return (this.request["n"] as number | undefined) ?? 1;
  }

  started(promptTokens = 5, cachedTokens = 2): void {
    this.call.openStream();
    this.call.event({ type: "started", prompt_tokens: promptTokens, cached_tokens: cachedTokens });
  }

  /** Fields such as `logprobs` can be added. */
  token(text: string, choice = 0, fields: object = {}): void {
    const seq = this.#tokens[choice]!++;
    this.call.event({ type: "tokens", ...this.#named(choice), seq, ids: [seq], text, ...fields });
  }

  /** It halts until there is more credit. */
  outOfCredit(choice = 0): void {
    this.call.event({ type: "credit", ...this.#named(choice), used: this.#tokens[choice] });
  }

  /** One choice of several ends. */
  finished(choice: number, reason = "stop"): void {
    this.call.event({ type: "finished", choice, finish_reason: reason });
  }

  done(reason = "stop"): void {
    const completionTokens = this.#tokens.reduce((sum, tokens) => sum + tokens, 0);
    this.call.event({
      type: "done",
      finish_reason: reason,
      usage: { prompt_tokens: 5, cached_tokens: 2, completion_tokens: completionTokens },
    });
    this.call.end();
  }

  /** The whole of an answer. */
  say(...texts: string[]): void {
    this.started();
    for (const text of texts) this.token(text);
    this.done();
  }

  /** With one choice, events do not say which one they are about. */
  #named(choice: number): { choice?: number } {
    return this.choices > 1 ? { choice } : {};
  }
}
