import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig, stateFolder } from "../../src/config/load.ts";
import { ledgerPath } from "../../src/ledger/database.ts";
import { Child, Children } from "../child.ts";
import { writeConfiguration } from "../data-plane/configuration.ts";
import { type Ask, chatCall } from "../data-plane/dialects.ts";
import { Load } from "../data-plane/load.ts";
import { figure, type Report } from "../figures.ts";
import { interleave } from "../interleave.ts";
import type { Size, StartUpSize } from "../sizes.ts";
import { fillLedger } from "./fill.ts";

const SECONDS_MAX = 10;
const MS_PER_SECOND = 1_000;
const ASK: Ask = { endpoint: "remote", streamed: false, tokens: 1 };

/** A configuration with a ledger, and a key that it knows. */
interface Filled {
  configPath: string;
  key: string;
  accounts: number;
  bytes: number;
}

/**
 * How long it takes from the start of a supervisor's process to its first answer, whose hold was durable before: with a large
 * ledger, and beside that with one of no entries.
 */
export async function benchStartUp({ rounds, startUp }: Size): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "headgate-bench-"));
  try {
    await using children = new Children();
    const upstream = await children.start(new URL("../data-plane/upstream.ts", import.meta.url));
    const fill = (name: string, size: StartUpSize): Filled => filled(join(folder, name), upstream.url, size);
    const ledgers = { empty: fill("empty", { entries: 0, branches: [1] }), large: fill("large", startUp) };
    const seconds = await interleave(rounds, ["large", "empty"], (name) => secondsToAnswer(ledgers[name]));
    const { accounts, bytes } = ledgers.large;
    const megabytes = Math.round(bytes / 1e6).toLocaleString("en");
    const [entries, limits] = [startUp.entries, accounts].map((count) => count.toLocaleString("en"));
    return {
      bench: `start-up with a ledger of ${entries} entries (${megabytes} MB) and ${limits} accounts with a limit`,
      figures: [
        figure({
          what: "from the start to the first answer",
          unit: "s",
          rounds: seconds,
          verdict: {
            formula: "large",
            of: ({ large }) => large,
            aim: { at: "most", bound: SECONDS_MAX },
          },
        }),
      ],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function filled(folder: string, upstreamUrl: string, size: StartUpSize): Filled {
  mkdirSync(folder);
  const configPath = writeConfiguration(folder, upstreamUrl);
  const state = stateFolder(loadConfig(configPath).config, configPath);
  const { accounts, key } = fillLedger(state, size);
  return { configPath, key, accounts, bytes: statSync(ledgerPath(state)).size };
}

async function secondsToAnswer({ configPath, key }: Filled): Promise<number> {
  const startMs = performance.now();
  const script = new URL("../data-plane/headgate.ts", import.meta.url);
  const headgate = await Child.start(script, { arguments: [configPath] });
  const load = new Load(headgate.url);
  try {
    await load.lanes(chatCall(ASK, key), { count: 1, lanes: 1 });
    return (performance.now() - startMs) / MS_PER_SECOND;
  } finally {
    await load.close();
    await headgate.stop();
  }
}
