import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { INPUT_NANO, nanoOf, OUTPUT_NANO, usdOf } from "../money.ts";
import {
  type Gateway,
  type GatewayOptions,
  type KeyHeaders,
  MODELS,
  type Reason,
  type Standings,
  type TeamWish,
  type UpstreamName,
  Unavailable,
  type Window,
} from "./gateway.ts";
import { childrenOf, GatewayProcess, run } from "./process.ts";

const CLI = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
const START_MS = 30_000;
const POLL_MS = 100;
/** Limits are in force within a quarter of a second; this is twice that. */
const IN_FORCE_MS = 500;
/** Beside a cap with a window, so that what was spent in all windows together is reported as well. */
const NO_LIMIT_USD = "1000000";
const MINUTE: Window = {
  name: "minute",
  endMs: (atMs) => (Math.floor(atMs / 60_000) + 1) * 60_000,
  graceMs: 1_000,
};

/** A line of `headgate budgets --json`. */
interface Line {
  account: string;
  unit: string;
  window: string;
  used: string;
  held: string;
}

/** Headgate as its own command line starts it, with remotes only, in a folder that is removed afterwards. */
export class HeadgateGateway implements Gateway {
  readonly about: string;
  readonly replicas: number;
  readonly window: Window | Reason;
  readonly canBeKilled = true;
  /** Longer than it takes to give up a part of itself that was killed. */
  readonly quietMs = 15_000;
  readonly #folder: string;
  #process: GatewayProcess;
  #url: string;

  private constructor(started: {
    folder: string;
    process: GatewayProcess;
    url: string;
    replicas: number;
    window: Window | Reason;
  }) {
    this.#folder = started.folder;
    this.#process = started.process;
    this.#url = started.url;
    this.replicas = started.replicas;
    this.window = started.window;
    const supervisors = started.replicas === 1 ? "1 supervisor" : `${started.replicas} supervisors`;
    this.about = `Headgate, ${supervisors}`;
  }

  static async start({ upstreams, replicas }: GatewayOptions): Promise<HeadgateGateway> {
    const folder = mkdtempSync(join(tmpdir(), "headgate-torture-"));
    try {
      writeFileSync(join(folder, "headgate.yaml"), stringify(configuration(upstreams)));
      if (replicas > 1 && !(await command(folder, ["up", "--help"])).includes("--supervisors")) {
        throw new Unavailable("This Headgate runs as one supervisor: `headgate up` has no --supervisors.");
      }
      const window = await shortestWindow(folder);
      const { process, url } = await up(folder, replicas);
      return new HeadgateGateway({ folder, process, url, replicas, window });
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  get urls(): string[] {
    return [`${this.#url}/v1`];
  }

  async open({ name: team, capNano, keys, window }: TeamWish): Promise<KeyHeaders> {
    const per = window?.name ?? "total";
    if (capNano !== null) await this.#cli(["budgets", "set", team, "usd", usdOf(capNano), "--per", per]);
    if (capNano !== null && window !== null) await this.#cli(["budgets", "set", team, "usd", NO_LIMIT_USD]);
    const headers: KeyHeaders = new Map();
    for (const key of keys) {
      const limits = key.capNano === null ? [] : ["--limit", `usd=${usdOf(key.capNano)}/${per}`];
      if (window !== null) limits.push("--limit", `usd=${NO_LIMIT_USD}/total`);
      const printed = await this.#cli(["keys", "create", key.name, "--tenant", team, "--json", ...limits]);
      const { secret } = JSON.parse(printed) as { secret: string };
      headers.set(key.name, { authorization: `Bearer ${secret}` });
    }
    await sleep(IN_FORCE_MS);
    return headers;
  }

  async report({ name, keys }: TeamWish): Promise<Standings> {
    const { budgets } = JSON.parse(await this.#cli(["budgets", "show", "--json"])) as { budgets: Line[] };
    const standings: Standings = new Map();
    for (const account of [name, ...keys.map((key) => `${name}/${key.name}`)]) {
      const line = budgets.find(
        (each) => each.account === `global/${account}` && each.unit === "usd" && each.window === "total",
      );
      // An account that was never charged has no line.
      standings.set(account, { spentNano: nanoOf(line?.used ?? 0), heldNano: nanoOf(line?.held ?? 0) });
    }
    return standings;
  }

  /** With several supervisors, one of the processes that `headgate up` has started. */
  async kill(replica: number): Promise<void> {
    if (this.replicas === 1) return this.#process.kill();
    const pid = (await childrenOf(this.#process.pid))[replica];
    if (pid !== undefined) process.kill(pid, "SIGKILL");
  }

  /** With several supervisors, `headgate up` starts another one itself. */
  async restart(): Promise<void> {
    if (this.replicas === 1) {
      ({ process: this.#process, url: this.#url } = await up(this.#folder, this.replicas));
      return;
    }
    const endMs = Date.now() + START_MS;
    while ((await childrenOf(this.#process.pid)).length < this.replicas) {
      if (Date.now() > endMs) throw new Error("Headgate has not replaced the supervisor that was killed.");
      await sleep(POLL_MS);
    }
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #cli(words: readonly string[]): Promise<string> {
    return command(this.#folder, [...words, "--config", join(this.#folder, "headgate.yaml")]);
  }
}

function modelsAt(upstream: UpstreamName): string[] {
  return Object.entries(MODELS).flatMap(([model, names]) => {
    return names.some((name) => name === upstream) ? [model] : [];
  });
}

function configuration(upstreams: GatewayOptions["upstreams"]): object {
  const price = { input: INPUT_NANO / 1_000, output: OUTPUT_NANO / 1_000 };
  return {
    server: { port: 0 },
    state: "state",
    remotes: Object.entries(upstreams).map(([name, url]) => ({
      name,
      url,
      models: Object.fromEntries(modelsAt(name as UpstreamName).map((model) => [model, model])),
    })),
    prices: Object.fromEntries(Object.keys(MODELS).map((model) => [model, price])),
    log: { level: "error" },
  };
}

async function up(folder: string, replicas: number): Promise<{ process: GatewayProcess; url: string }> {
  const supervisors = replicas === 1 ? [] : ["--supervisors", String(replicas)];
  const words = ["up", "--config", join(folder, "headgate.yaml"), ...supervisors];
  const started = new GatewayProcess([process.execPath, CLI, ...words], { HOST: "", PORT: "" });
  const listening = new Promise<string>((resolve) => {
    started.onLine = (line) => {
      const [, url] = /listens on (\S+)/.exec(line) ?? [];
      if (url !== undefined) resolve(url);
    };
  });
  return { process: started, url: await started.ready(listening, START_MS) };
}

/** Minutes, if it knows them. */
async function shortestWindow(folder: string): Promise<Window | Reason> {
  const help = await command(folder, ["budgets", "set", "--help"]);
  return /\bminute\b/.test(help)
    ? MINUTE
    : { reason: "Its shortest window is a day, and nobody waits for midnight." };
}

function command(folder: string, words: readonly string[]): Promise<string> {
  return run([process.execPath, CLI, ...words], { HOST: "", PORT: "", PWD: folder });
}
