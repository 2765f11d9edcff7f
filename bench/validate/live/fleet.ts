import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { request } from "undici";
import { stringify } from "yaml";
import { toCoreConfig } from "../../../src/config/core-config.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { CoreConfig } from "../../../src/core/config.ts";
import { Children } from "../../child.ts";

const HEADGATE = new URL("../../data-plane/headgate.ts", import.meta.url);
const POLL_MS = 50;

/** A Headgate as `headgate up` puts it together, and its embedded workers, each on one thread. */
export class LiveFleet implements AsyncDisposable {
  readonly url: URL;
  readonly workers: readonly URL[];
  /** What the supervisor decides by. */
  readonly config: CoreConfig;
  readonly #folder: string;
  readonly #children: Children;

  private constructor(
    parts: { url: URL; workers: readonly URL[]; config: CoreConfig },
    owned: { folder: string; children: Children },
  ) {
    this.url = parts.url;
    this.workers = parts.workers;
    this.config = parts.config;
    this.#folder = owned.folder;
    this.#children = owned.children;
  }

  /** Resolves once all workers serve. */
  static async start({ model, count }: { model: string; count: number }): Promise<LiveFleet> {
    const folder = mkdtempSync(join(tmpdir(), "headgate-live-"));
    const children = new Children();
    const path = writeConfiguration(folder, { model, count });
    const config = toCoreConfig(loadConfig(path).config);
    const child = await children.start(HEADGATE, { arguments: [path] });
    const url = new URL(child.url);
    return new LiveFleet({ url, workers: await workersOf(url, count), config }, { folder, children });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#children[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function writeConfiguration(folder: string, { model, count }: { model: string; count: number }): string {
  const configuration = {
    server: { port: 0 },
    models: { [model]: { path: fileURLToPath(new URL(`../../../models/${model}.gguf`, import.meta.url)) } },
    default_price: { input: 0.15, output: 0.6 },
    workers: Array.from({ length: count }, (_, i) => ({
      id: `worker-${i + 1}`,
      models: [model],
      threads: 1,
    })),
    log: { level: "error" },
  };
  const path = join(folder, "headgate.yaml");
  writeFileSync(path, stringify(configuration));
  return path;
}

async function workersOf(url: URL, count: number): Promise<URL[]> {
  for (;;) {
    const answer = await request(new URL("/coordinator/health/workers/available", url));
    const { workers } = (await answer.body.json()) as { workers: { url: string }[] };
    if (workers.length === count) return workers.map((worker) => new URL(worker.url));
    await sleep(POLL_MS);
  }
}
