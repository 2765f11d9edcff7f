import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { request } from "undici";
import type { Inspection, WorkerInspection } from "../core/inspection.ts";
import { table } from "./table.ts";

const REFRESH_MS = 1_000;
const CLEAR_SCREEN = "\u001b[2J\u001b[H";

interface StatusArguments {
  url: string;
  once?: boolean;
  json?: boolean;
}

export function addStatusCommand(program: Command): void {
  program
    .command("status")
    .description("show a running supervisor: its workers, queue and load, refreshed every second")
    .option("--url <url>", "address of the supervisor", "http://127.0.0.1:1337")
    .option("--once", "print once and end")
    .option("--json", "print once, as JSON")
    .action(async (given: StatusArguments) => {
      const isLive = process.stdout.isTTY && given.once !== true && given.json !== true;
      if (!isLive) return void process.stdout.write(`${await report(given)}\n`);
      for (;;) {
        process.stdout.write(`${CLEAR_SCREEN}${await report(given)}\n`);
        await sleep(REFRESH_MS);
      }
    });
}

async function report({ url, json }: StatusArguments): Promise<string> {
  const inspection = await fetchInspection(url);
  return json === true ? JSON.stringify(inspection, null, 2) : describe(url, inspection);
}

async function fetchInspection(url: string): Promise<Inspection> {
  try {
    const key = process.env["HEADGATE_KEY"];
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
    const { statusCode, body } = await request(new URL("/headgate/status", url), { headers });
    if (statusCode !== 200) throw new Error(`it answered with status ${statusCode}`);
    return (await body.json()) as Inspection;
  } catch (error) {
    const why = (error as Error).message;
    throw new Error(`No supervisor at ${url} (${why}). Start one with npm start, or give --url.`, {
      cause: error,
    });
  }
}

/** The inspection as a person reads it. */
function describe(url: string, inspection: Inspection): string {
  const { requests, sessions, kvBytes, queue, workers, draining } = inspection;
  const summary = [
    `Headgate at ${url}${draining ? ", draining" : ""}`,
    `${requests} requests open, ${sessions} sessions running, ${queue.packets} packets queued, ` +
      `${mebibytes(kvBytes)} MiB of KV cache reserved`,
  ];
  const rows = workers.flatMap((worker) => workerRows(worker));
  const header = ["worker", "status", "model", "running", "slots", "context", "others", "kv MiB"];
  return [...summary, "", table(header, rows)].join("\n");
}

function workerRows(worker: WorkerInspection): string[][] {
  return worker.models.map(({ model, inFlight, slots, contextTokens }, i) => {
    const own = [model, String(inFlight), String(slots), String(contextTokens)];
    if (i > 0) return ["", "", ...own, "", ""];
    const { worker: id, status, foreignSessions, kvBytesReserved } = worker;
    return [id, status, ...own, String(foreignSessions), mebibytes(kvBytesReserved)];
  });
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(1);
}
