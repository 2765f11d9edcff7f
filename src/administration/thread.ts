import { parentPort, workerData } from "node:worker_threads";
import { openDatabase, setBusyTimeout } from "../ledger/database.ts";
import { answer } from "./answer.ts";
import type { AdminAnswer, AdminAsk } from "./ask.ts";

/** What the thread starts from. */
export interface AdminThreadData {
  /** Of the ledger's file. */
  path: string;
}

export interface AdminOrder {
  id: number;
  ask: AdminAsk;
}

export type AdminReport = { id: number } & ({ answer: AdminAnswer } | { failure: string });

/** Whoever else writes to the file does so for milliseconds. */
const BUSY_MS = 1_000;

/** Adds up years of use, or waits for the disk, while the supervisor's own thread relays tokens. */
const port = parentPort!;
const database = openDatabase((workerData as AdminThreadData).path);
setBusyTimeout(database, BUSY_MS);

port.on("message", ({ id, ask }: AdminOrder) => {
  port.postMessage(reportOn(id, ask));
});

function reportOn(id: number, ask: AdminAsk): AdminReport {
  try {
    return { id, answer: answer(database, ask) };
  } catch (error) {
    return { id, failure: (error as Error).message };
  }
}
