import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { Inspection, WorkerInspection } from "../core/inspection.ts";
import type { SupervisorStatus } from "../gateway/fleet-pages.ts";
import { askSupervisor, urlOption } from "./supervisor.ts";
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
    .addOption(urlOption())
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
  const status = (await askSupervisor(url, "/headgate/status")) as SupervisorStatus;
  return json === true ? JSON.stringify(status, null, 2) : describe(url, status);
}

/** The status as a person reads it. */
function describe(url: string, status: SupervisorStatus): string {
  const { requests, sessions, kvBytes, queue, workers, draining, supervisor } = status;
  const summary = [
    `Headgate at ${url}${draining ? ", draining" : ""}`,
    ...(supervisor === undefined ? [] : [place(supervisor)]),
    `${requests} requests open, ${sessions} sessions running, ${queued(queue)}, ` +
      `${mebibytes(kvBytes)} MiB of KV cache reserved`,
  ];
  const rows = workers.flatMap((worker) => workerRows(worker));
  const header = ["worker", "status", "model", "running", "slots", "context", "others", "kv MiB"];
  return [...summary, "", table(header, rows)].join("\n");
}

function place({ name, pid, of }: NonNullable<SupervisorStatus["supervisor"]>): string {
  return `supervisor ${name} (process ${pid}) says this of itself; ${of} share the port, and each is asked in turn`;
}

function queued({ packets, bands }: Inspection["queue"]): string {
  const waiting = bands.filter((band) => band.packets > 0);
  const all = `${packets} packets queued`;
  if (bands.length < 2 || waiting.length === 0) return all;
  return `${all} (${waiting.map((band) => `${band.band} ${band.packets}`).join(", ")})`;
}

function workerRows(worker: WorkerInspection): string[][] {
  return worker.models.map(({ model, inFlight, slots, contextTokens, breaker }, i) => {
    const state = breaker === "closed" ? "" : ` (breaker ${breaker.replace("_", "-")})`;
    const own = [model + state, String(inFlight), String(slots), String(contextTokens)];
    if (i > 0) return ["", "", ...own, "", ""];
    const { worker: id, status, isStalled, foreignSessions, kvBytesReserved } = worker;
    return [id, isStalled ? "stalled" : status, ...own, String(foreignSessions), mebibytes(kvBytesReserved)];
  });
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(1);
}
