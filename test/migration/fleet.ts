import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { ledgerPath, openDatabase } from "../../src/ledger/database.ts";
import { readEntries } from "../../src/ledger/restore.ts";
import type { Receipt } from "../../src/worker/receipts/receipts.ts";
import { areAlive, startTestHeadgate, type TestHeadgate, until } from "../system/headgate.ts";
import { type DecidedRequest, readDecisions } from "./decisions.ts";
import { WireTap } from "./wire-tap.ts";

/** A supervisor in this process with three embedded workers, listened to, recorded, and its books kept. */
export interface TestFleet {
  headgate: TestHeadgate;
  tap: WireTap;
  workers: readonly string[];
  /** The worker at that address; undefined where it has gone since. */
  workerAt(origin: string): string | undefined;
  /** Resolves when one worker can take over from another. */
  twoAlive(): Promise<void>;
  /** Signals the worker's process, now, to its end; resolves when the supervisor knows better than to give it new work. */
  end(worker: string, signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Stops everything, and says what was decided, generated and paid. */
  finish(): Promise<Books>;
  /** Stops everything that `finish` has not. */
  remove(): Promise<void>;
}

export interface Books {
  requests: Map<string, DecidedRequest>;
  /** Of all workers, by attempt. A worker that was killed has none of what it had begun. */
  receipts: Map<string, Receipt>;
  entries: LedgerEntry[];
}

export function modelFile(name: string): string {
  return fileURLToPath(new URL(`../../models/${name}.gguf`, import.meta.url));
}

export async function startFleet(options: {
  model: string;
  workers?: readonly object[];
  sections?: Record<string, object>;
}): Promise<TestFleet> {
  const { model, sections } = options;
  const folder = mkdtempSync(join(tmpdir(), "headgate-fleet-"));
  const state = join(folder, "state");
  const recordPath = join(folder, "run.jsonl");
  const ids = ["one", "two", "three"].slice(0, options.workers?.length ?? 3);
  const tap = new WireTap();
  const headgate = await startTestHeadgate({
    workers: ids,
    recordPath,
    state,
    sections: {
      models: { [model]: { path: modelFile(model) } },
      aliases: { default: model },
      workers: ids.map((id, i) => ({ id, models: [model], threads: 1, ...options.workers?.[i] })),
      // Only generated tokens cost something: a USD for a million.
      prices: { [model]: { input: 0, output: 1 } },
      ...sections,
    },
  });
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= headgate.stop());
  return {
    headgate,
    tap,
    workers: ids,
    workerAt: (origin) => ids.find((id) => new URL(headgate.workerUrl(id)).origin === origin),
    twoAlive: () => until(() => ids.filter((id) => areAlive(headgate, [id])).length >= 2),
    async end(worker, signal) {
      headgate.signalWorker(worker, signal);
      // It is looked at far more often than a process can be started again, so its next life is not taken for this one.
      await until(() => !areAlive(headgate, [worker]));
    },
    async finish() {
      await stop();
      return {
        requests: readDecisions(recordPath),
        receipts: readReceipts(join(state, "receipts")),
        entries: readLedger(state),
      };
    },
    async remove() {
      tap.stop();
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function readLedger(state: string): LedgerEntry[] {
  using database = openDatabase(ledgerPath(state));
  return [...readEntries(database, { after: 0 })];
}

function readReceipts(folder: string): Books["receipts"] {
  const lines = readdirSync(folder).flatMap((name) =>
    readFileSync(join(folder, name), "utf8")
      .split("\n")
      .filter((line) => line.endsWith("}")),
  );
  return new Map(lines.map((line) => JSON.parse(line) as Receipt).map((receipt) => [receipt.id, receipt]));
}
