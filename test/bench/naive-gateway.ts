import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type {
  Gateway,
  GatewayOptions,
  KeyHeaders,
  Standings,
  TeamWish,
} from "../../bench/budget-torture/gateways/gateway.ts";
import { costOf } from "../../bench/budget-torture/money.ts";

export interface NaiveOptions {
  /** A call that fails keeps what it had reserved for ever. */
  leaks?: boolean;
  /** What is reserved is not reported. */
  isSilent?: boolean;
}

/** What a key has come to. */
interface Account {
  team: string;
  capNano: number;
  spentNano: number;
  heldNano: number;
}

/**
 * A gateway as one is written in an afternoon. It compares what was spent with the cap before a call, and adds what the
 * usage says after it, so it has nearly every fault that the bench looks for:
 * - what is under way is not counted;
 * - a client that leaves pays nothing;
 * - with `leaks`, a call that fails keeps what it had reserved for ever.
 */
export class NaiveGateway implements Gateway {
  readonly about = "naive";
  readonly replicas = 1;
  readonly window = { reason: "it has none" };
  readonly canBeKilled = false;
  readonly quietMs = 50;
  /** Of every request, as they came. */
  readonly bodies: string[] = [];
  readonly #server: Server;
  readonly #upstream: string;
  readonly #options: NaiveOptions;
  readonly #accounts = new Map<string, Account>();

  private constructor(server: Server, upstream: string, options: NaiveOptions) {
    this.#server = server;
    this.#upstream = upstream;
    this.#options = options;
    server.on("request", (request, response) => void this.#serve(request, response));
  }

  static async start({ upstreams }: GatewayOptions, options: NaiveOptions = {}): Promise<NaiveGateway> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new NaiveGateway(server, upstreams.a, options);
  }

  get urls(): string[] {
    return [`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`];
  }

  open({ name: team, keys }: TeamWish): Promise<KeyHeaders> {
    const headers: KeyHeaders = new Map();
    for (const { name, capNano } of keys) {
      const account = { team, capNano: capNano ?? Infinity, spentNano: 0, heldNano: 0 };
      this.#accounts.set(`${team}/${name}`, account);
      headers.set(name, { authorization: `Bearer ${team}/${name}` });
    }
    return Promise.resolve(headers);
  }

  report({ name: team }: TeamWish): Promise<Standings> {
    const standings: Standings = new Map();
    for (const [name, { team: owner, spentNano, heldNano }] of this.#accounts) {
      if (owner !== team) continue;
      standings.set(name, { spentNano, heldNano: this.#options.isSilent === true ? null : heldNano });
    }
    return Promise.resolve(standings);
  }

  kill(): Promise<void> {
    return Promise.resolve();
  }

  restart(): Promise<void> {
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const account = this.#accounts.get((request.headers.authorization ?? "").slice("Bearer ".length));
    if (account === undefined) {
      response.writeHead(401).end();
      return;
    }
    const body = await text(request);
    this.bodies.push(body);
    if (account.spentNano + account.heldNano >= account.capNano) {
      response.writeHead(429).end('{"error": {"message": "spent"}}');
      return;
    }
    const holdNano = this.#options.leaks === true ? 1_000_000 : 0;
    account.heldNano += holdNano;
    const left = new AbortController();
    response.once("close", () => left.abort());
    try {
      const answered = await fetch(`${this.#upstream}/chat/completions`, {
        method: "POST",
        body,
        signal: left.signal,
      });
      response.writeHead(answered.status, { "content-type": answered.headers.get("content-type")! });
      let seen = "";
      for await (const bytes of answered.body!) {
        seen += Buffer.from(bytes).toString();
        response.write(bytes);
      }
      const [, prompt, completion] = /"prompt_tokens":(\d+),"completion_tokens":(\d+)/.exec(seen) ?? [];
      account.spentNano += costOf({
        promptTokens: Number(prompt ?? 0),
        completionTokens: Number(completion ?? 0),
      });
      account.heldNano -= holdNano;
      response.end();
    } catch {
      response.destroy();
    }
  }
}
