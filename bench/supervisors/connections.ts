import { once } from "node:events";
import { Socket } from "node:net";
import type { Call } from "../data-plane/dialects.ts";
import { ResponseReader } from "./response-reader.ts";

/** An answer is some hundred bytes, and what does not fit is read in turns. */
const READ_BYTES = 8 * 1024;
/** While nobody is answered at all. */
const SILENCE_MS_MAX = 30_000;

/** Connections to one server, kept from load to load, each with one request on its way at most. */
export class Connections {
  readonly #host: string;
  readonly #port: number;
  readonly #open = new Set<Connection>();

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#host = hostname;
    this.#port = Number(port);
  }

  /** Has so many of them. The server may have closed some meanwhile. */
  async open(count: number): Promise<void> {
    for (const connection of [...this.#open].slice(count)) connection.close();
    while (this.#open.size < count) {
      const connection = new Connection((gone) => this.#open.delete(gone));
      await connection.open(this.#host, this.#port);
      this.#open.add(connection);
    }
  }

  /**
   * So many calls, the next one of each connection when its last one was answered. Rejects when one was not answered
   * with status 200 and a whole body; no connection is left then.
   */
  async load(call: Call, count: number): Promise<void> {
    const request = rendered(call, `${this.#host}:${this.#port}`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let [sent, answered, seen] = [0, 0, 0];
    const next = (connection: Connection): void => {
      if (sent === count) return;
      sent += 1;
      connection.send(request);
    };
    const caller: Caller = {
      answered: (connection) => {
        answered += 1;
        if (answered === count) resolve();
        else next(connection);
      },
      failed: (error) => reject(new Error(`call ${answered + 1} of ${count}: ${error.message}`)),
    };
    const watch = setInterval(() => {
      if (answered === seen) reject(new Error(`nobody was answered for ${SILENCE_MS_MAX} ms`));
      seen = answered;
    }, SILENCE_MS_MAX);
    try {
      for (const connection of this.#open) connection.begin(caller, call.ending);
      for (const connection of this.#open) next(connection);
      await promise;
    } catch (error) {
      for (const connection of this.#open) connection.close();
      throw error;
    } finally {
      clearInterval(watch);
      for (const connection of this.#open) connection.rest();
    }
  }
}

interface Caller {
  answered: (connection: Connection) => void;
  failed: (error: Error) => void;
}

/** Whoever calls nothing is told nothing. */
const NOBODY: Caller = { answered: () => {}, failed: () => {} };

class Connection {
  readonly #socket: Socket;
  #caller: Caller = NOBODY;
  #reader = new ResponseReader("");

  constructor(onClosed: (connection: Connection) => void) {
    const buffer = Buffer.alloc(READ_BYTES);
    const callback = (length: number): boolean => {
      this.#read(buffer.subarray(0, length));
      return true;
    };
    this.#socket = new Socket({ onread: { buffer, callback } });
    this.#socket.on("error", (error) => this.#caller.failed(error));
    this.#socket.on("close", () => {
      onClosed(this);
      this.#caller.failed(new Error("the server closed the connection"));
    });
  }

  async open(host: string, port: number): Promise<void> {
    this.#socket.connect(port, host).setNoDelay(true);
    await once(this.#socket, "connect");
  }

  begin(caller: Caller, ending: string): void {
    this.#caller = caller;
    this.#reader = new ResponseReader(ending);
  }

  send(request: Buffer): void {
    this.#socket.write(request);
  }

  rest(): void {
    this.#caller = NOBODY;
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    try {
      if (!this.#reader.read(bytes)) return;
    } catch (error) {
      this.#caller.failed(error as Error);
      return;
    }
    this.#caller.answered(this);
  }
}

function rendered({ path, headers, body }: Call, host: string): Buffer {
  const all = { host, ...headers, "content-length": Buffer.byteLength(body) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
}
