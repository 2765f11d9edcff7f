import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { json } from "node:stream/consumers";
import { readScript } from "../script.ts";
import { answer } from "./answer.ts";
import type { Books } from "./books.ts";

/** No script makes a longer answer. */
const TOKENS_MAX = 50_000;
const HOST = "127.0.0.1";

/** The fields of a chat completion that matter here. */
interface Asked {
  model: string;
  messages: { content: string }[];
  max_tokens?: number | null;
  max_completion_tokens?: number | null;
  n?: number | null;
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean } | null;
}

/**
 * An OpenAI-compatible server that keeps to `max_tokens`, does what the prompt's script says, and writes down what it
 * has made. It can be stopped and started again on the same port, as a provider that goes down for a while.
 */
export class Upstream {
  readonly #books: Books;
  #server: Server | null = null;
  #port: number;
  readonly #sockets = new Set<Socket>();

  /** With port 0 the system chooses one at the first start, and it is kept from then on. */
  constructor(books: Books, port = 0) {
    this.#books = books;
    this.#port = port;
  }

  /** Base address as OpenAI's clients take it. */
  get url(): string {
    return `http://${HOST}:${this.#port}/v1`;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, HOST, resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Takes no more calls, and ends the connections of those under way; what was written on them still arrives. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroySoon();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === "GET") return sendJson(response, 200, { object: "list", data: [] });
    const asked = (await json(request).catch(() => null)) as Asked | null;
    const prompt = asked?.messages?.at(-1)?.content ?? "";
    const script = typeof prompt === "string" ? readScript(prompt) : null;
    // Gateways look whether a model is there in their own ways; that is nobody's request.
    if (asked === null || script === null) return sendError(response, 400, "no script in the prompt");

    const ceiling = asked.max_completion_tokens ?? asked.max_tokens ?? null;
    const choices = asked.n ?? 1;
    const call = this.#books.open({
      id: script.id,
      promptTokens: tokensOf(asked.messages),
      maxTokens: ceiling === null ? null : ceiling * choices,
    });
    if (call.attempt < script.fails && script.how === "500") {
      this.#books.close(call, "refused");
      return sendError(response, 500, "the script says so");
    }
    await answer({
      books: this.#books,
      call,
      script,
      response,
      model: asked.model,
      streamed: asked.stream === true,
      choices,
      tokens: Math.min(script.tokens, ceiling ?? Infinity, TOKENS_MAX),
      includeUsage: asked.stream_options?.include_usage === true,
    });
  }
}

/** Its tokenizer: a word is a token. */
function tokensOf(messages: Asked["messages"]): number {
  return messages.reduce((sum, { content }) => sum + content.split(/\s+/).filter(Boolean).length, 0);
}

function sendJson(response: ServerResponse, status: number, document: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(document));
}

function sendError(response: ServerResponse, status: number, message: string): void {
  sendJson(response, status, {
    error: { message, type: status === 500 ? "server_error" : "invalid_request_error" },
  });
}
