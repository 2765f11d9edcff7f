import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** What a receiver was sent. */
export interface Delivery {
  headers: IncomingHttpHeaders;
  body: string;
}

/** A real HTTP server that takes webhooks: the first ones with these statuses, all others with 204. */
export class Receiver {
  readonly deliveries: Delivery[] = [];
  /** The most that were ever under way at the same time. */
  concurrency = 0;
  readonly #server: Server;
  #running = 0;

  constructor(statuses: number[]) {
    this.#server = createServer((request, response) => {
      this.concurrency = Math.max(this.concurrency, (this.#running += 1));
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        this.#running -= 1;
        this.deliveries.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
        response.writeHead(statuses.shift() ?? 204).end();
      });
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
