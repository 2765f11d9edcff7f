import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import { INPUT_NANO, NANO_PER_USD, nanoOf, OUTPUT_NANO } from "../money.ts";
import {
  type Gateway,
  type GatewayOptions,
  type KeyHeaders,
  MODELS,
  type Standings,
  type TeamWish,
  Unavailable,
} from "./gateway.ts";
import { GatewayProcess, run } from "./process.ts";

/** It imports much, and brings its database to the newest schema first. */
const START_MS = 180_000;
const POLL_MS = 500;
const ADMIN_MS = 30_000;

/** A replica: a process on a port of its own, before the database that all share. */
interface Replica {
  port: number;
  process: GatewayProcess;
}

/**
 * LiteLLM's proxy as its documentation sets it up: `litellm --config`, virtual keys and teams with `max_budget` in a
 * Postgres database, prices in the configuration, all else as it comes. It has to be installed, and the database to be there:
 *
 * - `LITELLM_COMMAND`: the program, `litellm` if absent;
 * - `DATABASE_URL`: an empty database that it may use, such as `postgresql://me@127.0.0.1/litellm`;
 * - `REDIS_HOST`, `REDIS_PORT`, `REDIS_PASSWORD`: what its replicas share, as its documentation recommends.
 */
export class LiteLlmGateway implements Gateway {
  readonly about: string;
  readonly window = {
    reason:
      "Its windows of less than a day begin when a key is made, and its report begins anew with each: not followed here.",
  };
  readonly canBeKilled = true;
  /** What was spent is written every 10 s (`proxy_batch_write_at`). */
  readonly quietMs = 15_000;
  readonly #folder: string;
  readonly #masterKey: string;
  readonly #replicas: Replica[];
  /** Secrets by team and key. */
  readonly #secrets = new Map<string, string>();

  private constructor(started: { folder: string; masterKey: string; replicas: Replica[]; version: string }) {
    this.#folder = started.folder;
    this.#masterKey = started.masterKey;
    this.#replicas = started.replicas;
    this.about = `${started.version}, ${started.replicas.length} replica${started.replicas.length > 1 ? "s" : ""}`;
  }

  static async start({ upstreams, replicas }: GatewayOptions): Promise<LiteLlmGateway> {
    if (process.env["DATABASE_URL"] === undefined) {
      throw new Unavailable(
        "LiteLLM keeps budgets in a Postgres database: set DATABASE_URL to an empty one that it may use.",
      );
    }
    const version = await run([program(), "--version"]).catch((error: unknown) => {
      throw new Unavailable(
        `LiteLLM does not start (${String(error)}): pip install "litellm[proxy]" prisma, or set LITELLM_COMMAND.`,
      );
    });
    const folder = mkdtempSync(join(tmpdir(), "litellm-torture-"));
    const masterKey = `sk-${randomBytes(16).toString("hex")}`;
    const started: Replica[] = [];
    try {
      writeFileSync(join(folder, "config.yaml"), stringify(configuration(upstreams, masterKey)));
      for (let i = 0; i < replicas; i++) {
        const port = await freePort();
        started.push({ port, process: await serve(folder, port) });
      }
      const name = version.split("\n").find((line) => /\d+\.\d+/.test(line)) ?? "LiteLLM";
      return new LiteLlmGateway({ folder, masterKey, replicas: started, version: name.trim() });
    } catch (error) {
      for (const replica of started) await replica.process.kill();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  get replicas(): number {
    return this.#replicas.length;
  }

  get urls(): string[] {
    return this.#replicas.map(({ port }) => `http://127.0.0.1:${port}/v1`);
  }

  async open({ name, capNano, keys }: TeamWish): Promise<KeyHeaders> {
    await this.#admin("POST", "/team/new", { team_id: name, team_alias: name, ...budget(capNano) });
    const headers: KeyHeaders = new Map();
    for (const key of keys) {
      const wish = { team_id: name, key_alias: `${name}-${key.name}`, ...budget(key.capNano) };
      const made = (await this.#admin("POST", "/key/generate", wish)) as { key: string };
      this.#secrets.set(`${name}/${key.name}`, made.key);
      headers.set(key.name, { authorization: `Bearer ${made.key}` });
    }
    return headers;
  }

  /** It does not say what is held. */
  async report({ name, keys }: TeamWish): Promise<Standings> {
    const standings: Standings = new Map();
    const team = (await this.#admin("GET", `/team/info?team_id=${name}`)) as { team_info: { spend: number } };
    standings.set(name, { spentNano: nanoOf(team.team_info.spend), heldNano: null });
    for (const key of keys) {
      const account = `${name}/${key.name}`;
      const secret = encodeURIComponent(this.#secrets.get(account)!);
      const { info } = (await this.#admin("GET", `/key/info?key=${secret}`)) as { info: { spend: number } };
      standings.set(account, { spentNano: nanoOf(info.spend), heldNano: null });
    }
    return standings;
  }

  kill(replica: number): Promise<void> {
    return this.#replicas[replica]!.process.kill();
  }

  async restart(replica: number): Promise<void> {
    const { port } = this.#replicas[replica]!;
    this.#replicas[replica] = { port, process: await serve(this.#folder, port) };
  }

  async stop(): Promise<void> {
    for (const replica of this.#replicas) await replica.process.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #admin(method: "GET" | "POST", path: string, body?: object): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.#replicas[0]!.port}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#masterKey}`, "content-type": "application/json" },
      signal: AbortSignal.timeout(ADMIN_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.ok) return JSON.parse(text);
    throw new Error(`LiteLLM answered ${method} ${path.split("?")[0]} with ${response.status}: ${text}`);
  }
}

function configuration(upstreams: GatewayOptions["upstreams"], masterKey: string): object {
  const deployments = Object.entries(MODELS).flatMap(([model, names]) =>
    names.map((name) => ({
      model_name: model,
      litellm_params: {
        model: `openai/${model}`,
        api_base: upstreams[name],
        api_key: "torture",
        input_cost_per_token: INPUT_NANO / NANO_PER_USD,
        output_cost_per_token: OUTPUT_NANO / NANO_PER_USD,
      },
    })),
  );
  return {
    model_list: deployments,
    litellm_settings: { num_retries: 2 },
    ...(process.env["REDIS_HOST"] === undefined ? {} : { router_settings: redis() }),
    general_settings: { master_key: masterKey, database_url: "os.environ/DATABASE_URL" },
  };
}

function redis(): object {
  return {
    redis_host: "os.environ/REDIS_HOST",
    redis_port: "os.environ/REDIS_PORT",
    redis_password: "os.environ/REDIS_PASSWORD",
  };
}

function budget(capNano: number | null): { max_budget?: number } {
  return capNano === null ? {} : { max_budget: capNano / NANO_PER_USD };
}

function program(): string {
  return process.env["LITELLM_COMMAND"] ?? "litellm";
}

/** Resolves when it is ready, its database included. */
async function serve(folder: string, port: number): Promise<GatewayProcess> {
  const words = ["--config", join(folder, "config.yaml"), "--host", "127.0.0.1", "--port", String(port)];
  const started = new GatewayProcess([program(), ...words], {});
  const over = new AbortController();
  try {
    await started.ready(isReady(port, over.signal), START_MS);
  } finally {
    over.abort();
  }
  return started;
}

async function isReady(port: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const response = await fetch(`http://127.0.0.1:${port}/health/readiness`).catch(() => null);
    if (response?.ok === true) return;
    await sleep(POLL_MS);
  }
}

/** It can't be told to choose one itself. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
