import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { stringify } from "yaml";
import { loadConfig } from "../../src/config/load.ts";
import { type RunningHeadgate, startHeadgate } from "../../src/headgate.ts";
import { createLog } from "../../src/observability/log.ts";

/** The smallest demo model: what matters here is who gets which tokens, not which tokens they are. */
export const MODEL = "headgate-0.3m";
export const MODEL_FILE = fileURLToPath(new URL(`../../models/${MODEL}.gguf`, import.meta.url));
const POLL_MS = 20;

/** A supervisor in this process with real workers in processes of their own. */
export interface TestHeadgate extends RunningHeadgate {
  client: OpenAI;
  /** For commands on its ledger. */
  configPath: string;
  /** `SIGSTOP` makes a worker hang, `SIGCONT` lets it go on, `SIGKILL` ends it without a warning. */
  signalWorker(id: string, signal: NodeJS.Signals): void;
  workerUrl(id: string): string;
}

export interface TestHeadgateOptions {
  workers: string[];
  /** Merged over the configuration, section by section. */
  sections?: Record<string, object>;
  recordPath?: string;
  /** Environment variables that the configuration names; none if absent. */
  variables?: NodeJS.ProcessEnv;
  /** Folder of its ledger and its workers' receipts, for those who look into it afterwards. */
  state?: string;
}

export async function startTestHeadgate(options: TestHeadgateOptions): Promise<TestHeadgate> {
  const folder = mkdtempSync(join(tmpdir(), "headgate-test-"));
  const configPath = join(folder, "headgate.yaml");
  writeFileSync(configPath, stringify(testConfig(options)));
  const pids = new Map<string, number>();
  const urls = new Map<string, string>();
  const headgate = await startHeadgate({
    config: loadConfig(configPath).config,
    configPath,
    variables: options.variables ?? {},
    log: createLog("silent"),
    workerEvents: {
      started: (id, pid) => pids.set(id, pid),
      ready: (id, url) => urls.set(id, url),
    },
    ...(options.recordPath === undefined ? {} : { recordPath: options.recordPath }),
  });
  await until(() => areAlive(headgate, options.workers));
  return {
    ...headgate,
    configPath,
    client: new OpenAI({ baseURL: `${headgate.url}/v1`, apiKey: "unused", maxRetries: 0 }),
    signalWorker: (id, signal) => process.kill(pids.get(id)!, signal),
    workerUrl: (id) => urls.get(id)!,
    stop: async () => {
      await headgate.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function testConfig({ workers, sections, state }: TestHeadgateOptions): object {
  return {
    server: { port: 0 },
    models: { [MODEL]: { path: MODEL_FILE } },
    aliases: { default: MODEL },
    workers: workers.map((id) => ({ id, models: [MODEL], threads: 1 })),
    default_price: { input: 1, output: 2 },
    log: { level: "silent" },
    ...(state === undefined ? {} : { state }),
    ...sections,
  };
}

export function aliveWorkers(headgate: RunningHeadgate): number {
  return headgate.inspect().workers.filter(({ status }) => status === "alive").length;
}

/** Whether all of them can be given work. */
export function areAlive(headgate: RunningHeadgate, ids: readonly string[]): boolean {
  const alive = headgate.inspect().workers.filter(({ status }) => status === "alive");
  return ids.every((id) => alive.some(({ worker }) => worker === id));
}

/** Waits for something that is bound to happen; the test's own time limit is what ends a vain wait. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(POLL_MS);
}
