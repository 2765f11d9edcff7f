import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { loadConfig, stateFolder } from "../../src/config/load.ts";
import type { LimitRow } from "../../src/core/budget/limits.ts";
import { createKey, type KeyRole } from "../../src/keys/key-table.ts";
import { createStateFolder, ledgerPath, openDatabase } from "../../src/ledger/database.ts";
import { writeLimit } from "../../src/ledger/limit-table.ts";
import { MODELS } from "./dialects.ts";

/** Never loaded: there are no embedded workers. A configured model has to have a file. */
const MODEL_FILE = fileURLToPath(new URL("../../models/headgate-0.3m.gguf", import.meta.url));
/** More than any load brings: what is measured is the work, not the waiting for a place. */
const PLENTY = 100_000;

/** Writes the configuration of the Headgate that is measured, all defaults but room; returns the file. */
export function writeConfiguration(folder: string, upstreamUrl: string): string {
  const configuration = {
    server: { port: 0 },
    models: { [MODELS.worker]: { path: MODEL_FILE } },
    remotes: [
      {
        name: "bench-remote-1",
        url: `${upstreamUrl}/v1`,
        models: { [MODELS.remote]: MODELS.remote },
        concurrency_max: PLENTY,
      },
    ],
    default_price: { input: 0.15, output: 0.6 },
    limits: { sessions_max: PLENTY, kv_bytes_max: Number.MAX_SAFE_INTEGER },
  };
  const path = join(folder, "headgate.yaml");
  writeFileSync(path, stringify(configuration));
  return path;
}

/** An account with a key, and the limits on its path. */
export interface Payer {
  account: string;
  limits: LimitRow[];
  /** `spend` if absent. */
  role?: KeyRole;
}

/** More than any load spends: what is measured is that limits are checked. */
export const NEVER_BINDS = { usd: "1000000000000000000", tokens: "1000000000000", requests: "1000000000000" };

/** With limits on both levels of its account. */
export const PAYER: Payer = {
  account: "global/bench/load",
  limits: [
    { account: "global", unit: "usd", window: "total", amount: NEVER_BINDS.usd },
    { account: "global/bench/load", unit: "usd", window: "day", amount: NEVER_BINDS.usd },
    { account: "global/bench/load", unit: "tokens", window: "day", amount: NEVER_BINDS.tokens },
    { account: "global/bench/load", unit: "requests", window: "day", amount: NEVER_BINDS.requests },
  ],
};

/** May see metrics, and nothing else. */
export const WATCHER: Payer = { account: "global/watcher", limits: [], role: "read" };

/**
 * Makes the payer's key and limits, before the Headgate of that configuration starts. Returns the
 * bearer token that requests to it carry.
 */
export function makeKey(configPath: string, { account, limits, role = "spend" }: Payer): string {
  const { config } = loadConfig(configPath);
  const folder = stateFolder(config, configPath);
  createStateFolder(folder);
  const database = openDatabase(ledgerPath(folder));
  try {
    for (const limit of limits) writeLimit(database, limit);
    const secret = createKey(database, { account, role });
    if (typeof secret !== "string") throw new Error(`${folder} has been used before`);
    return secret;
  } finally {
    database.close();
  }
}
