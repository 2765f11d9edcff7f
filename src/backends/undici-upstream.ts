import { Client, Pool } from "undici";
import type { Dispatcher } from "undici";
import type { ResponseHeaders, ResponseReader, Upstream, UpstreamCall, UpstreamRequest } from "./upstream.ts";

/** How long a connection may take to open, in ms. */
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * How long an idle connection is kept, in ms. Node's servers close theirs after 5 s and
 * uvicorn after 5 s: ours has to be the shorter one, or a request meets a closing socket.
 */
const IDLE_MS = 4_000;

/**
 * The end of an idle connection crosses with the request that is written to it, so it shows within a
 * round trip, in ms. What takes longer to break may have been read, and worked on.
 */
const STALE_MS = 50;

const POOL_OPTIONS = {
  // One socket for each request in flight, as many as it takes. A limit here would queue in
  // silence what the scheduler believes to be running.
  connections: null,
  // How long a generation may take is the core's decision; undici's own clocks would cut long ones.
  headersTimeout: 0,
  bodyTimeout: 0,
  keepAliveTimeout: IDLE_MS,
  keepAliveMaxTimeout: IDLE_MS,
  connectTimeout: CONNECT_TIMEOUT_MS,
  allowH2: false,
};

/** A connection that can tell whether it has carried a request before. */
class CountingClient extends Client {
  requests = 0;

  constructor(origin: URL, options: Client.Options) {
    super(origin, options);
    this.on("connect", () => {
      this.requests = 0;
    });
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (handler instanceof Call) handler.connection = this;
    return super.dispatch(options, handler);
  }
}

/** Connection pools by origin. */
export class UndiciUpstream implements Upstream {
  readonly #pools = new Map<string, Pool>();
  readonly #freshPools = new Map<string, Pool>();
  /** A used connection that breaks within this time, in ms, had been closed before. */
  readonly staleMs: number;

  constructor({ staleMs = STALE_MS }: { staleMs?: number } = {}) {
    this.staleMs = staleMs;
  }

  post(request: UpstreamRequest, reader: ResponseReader): UpstreamCall {
    const call = new Call(this, request, reader);
    this.pool(request.origin).dispatch({ method: "POST", ...request }, call);
    return call;
  }

  release(origin: string): void {
    for (const pools of [this.#pools, this.#freshPools]) {
      const pool = pools.get(origin);
      pools.delete(origin);
      // Lets the requests under way finish; there is nobody to tell when they have.
      pool?.close().catch(() => {});
    }
  }

  async close(): Promise<void> {
    const pools = [...this.#pools.values(), ...this.#freshPools.values()];
    this.#pools.clear();
    this.#freshPools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  pool(origin: string): Pool {
    let pool = this.#pools.get(origin);
    if (pool === undefined) {
      pool = new Pool(origin, {
        ...POOL_OPTIONS,
        pipelining: 1,
        factory: (url, options) => new CountingClient(url, options),
      });
      this.#pools.set(origin, pool);
    }
    return pool;
  }

  /** A pool that opens a socket for each request, and closes it behind it. */
  freshPool(origin: string): Pool {
    let pool = this.#freshPools.get(origin);
    if (pool === undefined) {
      pool = new Pool(origin, { ...POOL_OPTIONS, pipelining: 0 });
      this.#freshPools.set(origin, pool);
    }
    return pool;
  }
}

/**
 * ```
 *   waiting ──first byte──▶ answering ──▶ over
 *      │ ▲                                 ▲
 *      │ └── stale socket, once            │
 *      └────────── failed, aborted ────────┘
 * ```
 * One object is both undici's handler and our handle: one allocation less on the hot path.
 */
class Call implements Dispatcher.DispatchHandler, UpstreamCall {
  /** Set when a pool hands the request to a connection. */
  connection: CountingClient | null = null;
  readonly #upstream: UndiciUpstream;
  readonly #request: UpstreamRequest;
  readonly #reader: ResponseReader;
  #state: "waiting" | "answering" | "over" = "waiting";
  #controller: Dispatcher.DispatchController | null = null;
  /** When the request was written to a connection that had been used before; null when it was not. */
  #reusedMs: number | null = null;
  #paused = false;

  constructor(upstream: UndiciUpstream, request: UpstreamRequest, reader: ResponseReader) {
    this.#upstream = upstream;
    this.#request = request;
    this.#reader = reader;
  }

  pause(): void {
    // The controller outlives its request, and would pause or resume whoever has the socket now.
    if (this.#state === "over") return;
    this.#paused = true;
    this.#controller?.pause();
  }

  resume(): void {
    if (this.#state === "over") return;
    this.#paused = false;
    this.#controller?.resume();
  }

  abort(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    // A socket that is paused or in mid-answer must not go back into the pool: aborting destroys it.
    this.#controller?.abort(new Error("aborted"));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#state === "over") {
      controller.abort(new Error("aborted"));
      return;
    }
    this.#controller = controller;
    if (this.connection !== null) {
      this.#reusedMs = this.connection.requests > 0 ? performance.now() : null;
      this.connection.requests += 1;
    }
    if (this.#paused) controller.pause();
  }

  onResponseStarted(): void {
    if (this.#state === "waiting") this.#state = "answering";
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: ResponseHeaders,
  ): void {
    // Informational responses come before the real one.
    if (this.#state === "over" || status < 200) return;
    try {
      this.#reader.head(status, headers);
    } catch (error) {
      throwOutside(error);
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#state === "over") return;
    try {
      this.#reader.data(chunk);
    } catch (error) {
      throwOutside(error);
    }
  }

  onResponseEnd(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    try {
      this.#reader.end();
    } catch (error) {
      throwOutside(error);
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#state === "over") return;
    if (this.#state === "waiting" && this.#wasStale()) {
      // The endpoint closed an idle connection just as we wrote to it. It cannot have read
      // the request, so it may be sent again, on a socket that nobody has used.
      this.#reusedMs = null;
      this.#controller = null;
      this.connection = null;
      this.#upstream.freshPool(this.#request.origin).dispatch({ method: "POST", ...this.#request }, this);
      return;
    }
    this.#state = "over";
    this.#reader.broken(describe(error), this.#controller !== null);
  }

  #wasStale(): boolean {
    return this.#reusedMs !== null && performance.now() - this.#reusedMs < this.#upstream.staleMs;
  }
}

/** Ends the process with a fault of our own that whoever is below us would take for something else: undici, for a failure of the connection. */
export function throwOutside(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}

function describe(error: Error & { code?: string }): string {
  if (error.message !== "") return error.message;
  // An AggregateError of connection attempts has a code and no message.
  return error.code ?? error.name;
}
