import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { Accounts } from "../../src/core/budget/accounts.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import type { LimitRow } from "../../src/core/budget/limits.ts";
import { ledgerPath, openDatabase } from "../../src/ledger/database.ts";
import { writeLimit } from "../../src/ledger/limit-table.ts";
import { readEntries } from "../../src/ledger/restore.ts";

const CLI = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
export const MODEL = "headgate-0.3m";
export const MODEL_FILE = fileURLToPath(new URL(`../../models/${MODEL}.gguf`, import.meta.url));

/** A state folder and a configuration, and the supervisor processes that use them one after the other. */
export class SupervisorHome {
  readonly #folder = mkdtempSync(join(tmpdir(), "headgate-budget-"));
  readonly #state = join(this.#folder, "state");
  readonly configPath = join(this.#folder, "headgate.yaml");
  readonly #processes = new Set<ChildProcess>();

  /** `prices` are USD for a million tokens, sections are merged over the configuration. */
  constructor(sections: Record<string, object> = {}) {
    mkdirSync(this.#state);
    const config = {
      server: { port: 0 },
      state: this.#state,
      models: { [MODEL]: { path: MODEL_FILE } },
      aliases: { default: MODEL },
      prices: { [MODEL]: { input: 0, output: 1 } },
      log: { level: "error" },
      ...sections,
    };
    writeFileSync(this.configPath, stringify(config));
  }

  setLimit(row: LimitRow): void {
    using database = openDatabase(ledgerPath(this.#state));
    writeLimit(database, row);
  }

  /** Every entry that is durable, in order. */
  entries(): LedgerEntry[] {
    using database = openDatabase(ledgerPath(this.#state));
    return [...readEntries(database, { after: 0 })];
  }

  /** Rejects, with what it said, when it ends before it listens. */
  async start(...given: string[]): Promise<SupervisorProcess> {
    const child = spawn(process.execPath, [CLI, "up", "--config", this.configPath, ...given], {
      stdio: ["ignore", "inherit", "pipe"],
      env: { ...process.env, PORT: "", HOST: "" },
    });
    this.#processes.add(child);
    const exited = once(child, "exit") as Promise<[code: number | null]>;
    void exited.then(() => this.#processes.delete(child));
    const url = await urlOf(child);
    return {
      url,
      signal: (signal) => void child.kill(signal),
      exited: exited.then(([code]) => code),
      kill: async () => {
        child.kill("SIGKILL");
        await exited;
      },
      stop: async () => {
        child.kill("SIGTERM");
        await exited;
      },
    };
  }

  remove(): void {
    for (const child of this.#processes) child.kill("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export interface SupervisorProcess {
  url: string;
  signal(signal: NodeJS.Signals): void;
  /** Its exit code; null when a signal has ended it. */
  exited: Promise<number | null>;
  /** Ends it without a warning, and waits until it is gone. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** The address it prints once it listens; whatever it prints after that is an error, and shown. */
async function urlOf(child: ChildProcess): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const lines = createInterface({ input: child.stderr! });
  let said = "";
  lines.on("line", (line) => {
    said += `${line}\n`;
    const [, url] = /listens on (\S+)/.exec(line) ?? [];
    if (url !== undefined) resolve(url);
  });
  child.once("exit", (code) => reject(new Error(`The supervisor ended with ${code}:\n${said}`)));
  return promise;
}

/** What the entries add up to: all of it, and at the worst moment, in one unit of one account. */
export function sumUp(
  entries: readonly LedgerEntry[],
  account: string,
): {
  posted: bigint;
  held: bigint;
  inDoubt: bigint;
  /** The highest that posted + held ever was. */
  peak: bigint;
  completed: number;
} {
  const accounts = new Accounts();
  let peak = 0n;
  let completed = 0;
  let inDoubt = 0n;
  for (const entry of entries) {
    accounts.apply(entry);
    const { posted, held } = accounts.balance(account, "total", entry.atUs);
    const used = posted.nanoUsd + held.nanoUsd;
    if (used > peak) peak = used;
    if (entry.operation === "post" && !entry.inDoubt) completed++;
    if (entry.inDoubt) inDoubt += BigInt(entry.charge.nanoUsd);
  }
  const { posted, held } = accounts.balance(account, "total", accounts.clockUs);
  return { posted: posted.nanoUsd, held: held.nanoUsd, inDoubt, peak, completed };
}
