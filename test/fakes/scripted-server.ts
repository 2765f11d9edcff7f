import { createServer } from "node:http";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** One POST that reached a scripted server; the test decides what is answered, and when. */
export class ScriptedCall {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly response: ServerResponse;
  /** Resolves when the connection of the answer is closed: with true if we had ended the answer before. */
  readonly closed: Promise<boolean>;

  constructor(options: {
    path: string;
    headers: IncomingHttpHeaders;
    text: string;
    response: ServerResponse;
  }) {
    this.path = options.path;
    this.headers = options.headers;
    this.text = options.text;
    this.response = options.response;
    this.closed = new Promise((resolve) => {
      this.response.on("close", () => resolve(this.response.writableFinished));
    });
  }

  get body(): Record<string, unknown> {
    return JSON.parse(this.text) as Record<string, unknown>;
  }

  json(status: number, document: unknown): void {
    this.response.writeHead(status, { "content-type": "application/json" });
    this.response.end(JSON.stringify(document));
  }

  openStream(): void {
    this.response.writeHead(200, { "content-type": "text/event-stream" });
    this.response.flushHeaders();
  }

  event(document: unknown): void {
    this.write(`data: ${JSON.stringify(document)}\n\n`);
  }

  write(bytes: string | Buffer): void {
    this.response.write(bytes);
  }

  end(): void {
    this.response.end();
  }

  /** The connection breaks, as when the process is killed. */
  die(): void {
    this.response.socket?.destroy();
  }
}

/** A server on a port of the system's choice that hands each POST to the test, in order of arrival. */
export class ScriptedServer {
  readonly url: string;
  readonly #server: ReturnType<typeof createServer>;
  readonly #calls: ScriptedCall[] = [];
  readonly #waiting: ((call: ScriptedCall) => void)[] = [];
  readonly #sockets = new Set<Socket>();
  connections = 0;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connection", (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    server.on("request", (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        this.#arrived(
          new ScriptedCall({ path: request.url ?? "", headers: request.headers, text, response }),
        );
      });
    });
  }

  /** With `requestsPerConnection` 1, no connection is used twice. */
  static async start(options: { requestsPerConnection?: number } = {}): Promise<ScriptedServer> {
    const server = createServer();
    server.maxRequestsPerSocket = options.requestsPerConnection ?? 0;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new ScriptedServer(server);
  }

  /** The next call, when it comes. */
  next(): Promise<ScriptedCall> {
    const call = this.#calls.shift();
    if (call !== undefined) return Promise.resolve(call);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Calls that arrived and were not asked for yet. */
  get unread(): number {
    return this.#calls.length;
  }

  /** Connections as they are now, in order of opening. */
  get sockets(): Socket[] {
    return [...this.#sockets];
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #arrived(call: ScriptedCall): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#calls.push(call);
    else waiting(call);
  }
}
