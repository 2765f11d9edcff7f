import assert from "node:assert/strict";
import { ScriptedServer } from "./scripted-server.ts";
import type { ScriptedCall } from "./scripted-server.ts";

/** A worker of another kind: it knows prefill and decode, and nothing of Headgate. */
export class FakePrefillDecodeWorker {
  readonly id: string;
  readonly server: ScriptedServer;
  /** Sessions whose prefill has arrived, in order. */
  readonly sessions: FakeSession[] = [];
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  private constructor(id: string, server: ScriptedServer) {
    this.id = id;
    this.server = server;
  }

  static async start(id = "foreign"): Promise<FakePrefillDecodeWorker> {
    // A request whose reused connection breaks would come once more, on a new one.
    const server = await ScriptedServer.start({ requestsPerConnection: 1 });
    const worker = new FakePrefillDecodeWorker(id, server);
    void worker.#receive();
    return worker;
  }

  /** All that such a worker says of itself. */
  heartbeat(changes: Record<string, unknown> = {}): Record<string, unknown> {
    return {
      worker_id: this.id,
      worker_url: this.server.url,
      timestamp: Date.now(),
      health: { alive: true, active_sessions: 0, kv_cache_bytes: 0 },
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

  /** That session, counted from 0, once it has come. */
  async session(index: number): Promise<FakeSession> {
    for (;;) {
      const session = this.sessions[index];
      if (session !== undefined) return session;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** The next one that nobody has asked for. */
  async next(): Promise<FakeSession> {
    this.#taken += 1;
    return this.session(this.#taken - 1);
  }

  close(): Promise<void> {
    return this.server.close();
  }

  async #receive(): Promise<never> {
    for (;;) {
      const call = await this.server.next();
      if (call.path === "/worker/prefill") {
        this.sessions.push(new FakeSession(call));
        for (const wake of this.#waiting.splice(0)) wake();
      } else {
        assert.equal(call.path, "/worker/decode");
        const session = this.sessions.find(({ id }) => id === call.body["session_id"]);
        assert.ok(session, "a session is decoded after its prefill");
        session.decodeArrived(call);
      }
    }
  }
}

/** One session, told what to say. */
export class FakeSession {
  readonly prefill: ScriptedCall;
  readonly #decode = Promise.withResolvers<ScriptedCall>();
  /** Comes once the prefill is answered. */
  readonly decode = this.#decode.promise;

  constructor(prefill: ScriptedCall) {
    this.prefill = prefill;
  }

  get id(): unknown {
    return this.prefill.body["session_id"];
  }

  decodeArrived(call: ScriptedCall): void {
    this.#decode.resolve(call);
  }

  /** Answers the prefill; resolves once the decode has come and its stream is open. */
  async start(): Promise<FakeDecode> {
    this.prefill.json(200, { status: "ok" });
    const call = await this.decode;
    call.openStream();
    return new FakeDecode(call);
  }

  /** The whole of an answer. */
  async say(...tokens: string[]): Promise<void> {
    const decode = await this.start();
    for (const token of tokens) decode.token(token);
    decode.call.end();
  }
}

/** A stream of tokens. */
export class FakeDecode {
  readonly call: ScriptedCall;
  #seq = 0;

  constructor(call: ScriptedCall) {
    this.call = call;
  }

  token(token: string, seq = this.#seq): void {
    this.call.event({ token, seq });
    this.#seq = seq + 1;
  }
}
