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

  async next(): Promise<FakeGeneration> {
    return new FakeGeneration(await this.server.next());
  }

  close(): Promise<void> {
    return this.server.close();
  }
}

/** One generation, told what to say. */
export class FakeGeneration {
  readonly call: ScriptedCall;
  #tokens = 0;

  constructor(call: ScriptedCall) {
    assert.equal(call.path, "/worker/generate");
    this.call = call;
  }

  get request(): Record<string, unknown> {
    return this.call.body;
  }

  started(promptTokens = 5, cachedTokens = 2): void {
    this.call.openStream();
    this.call.event({ type: "started", prompt_tokens: promptTokens, cached_tokens: cachedTokens });
  }

  token(text: string): void {
    this.call.event({ type: "tokens", seq: this.#tokens, ids: [this.#tokens], text });
    this.#tokens += 1;
  }

  done(reason = "stop"): void {
    this.call.event({
      type: "done",
      finish_reason: reason,
      usage: { prompt_tokens: 5, cached_tokens: 2, completion_tokens: this.#tokens },
    });
    this.call.end();
  }

  /** The whole of an answer. */
  say(...texts: string[]): void {
    this.started();
    for (const text of texts) this.token(text);
    this.done();
  }
}
