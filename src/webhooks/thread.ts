import { parentPort, workerData } from "node:worker_threads";
import { openDatabase } from "../ledger/database.ts";
import { Deliverer, type Tell } from "./deliverer.ts";
import type { Hook } from "./hooks.ts";

/** What the thread starts from. */
export interface WebhookThreadData {
  /** Of the ledger's file. */
  path: string;
  hooks: Hook[];
}

/** A line for the log. */
export interface WebhookReport {
  level: Parameters<Tell>[0];
  fields: object;
  message: string;
}

/** How soon an alert goes out, in ms. */
const LOOK_MS = 1_000;

/** Looks for alerts and posts them, on a connection of its own; any message is the end. */
const { path, hooks } = workerData as WebhookThreadData;
const port = parentPort!;
const database = openDatabase(path);
const tell: Tell = (level, fields, message) =>
  port.postMessage({ level, fields, message } satisfies WebhookReport);
const deliverer = new Deliverer({ database, hooks, tell });

/** Ends the pause between two looks. */
let wake: (() => void) | null = null;
port.once("message", () => {
  deliverer.stop();
  wake?.();
});

while (!deliverer.isStopped) {
  await deliverer.round();
  await pause();
}
database.close();
port.close();

function pause(): Promise<void> {
  return new Promise((resolve) => {
    if (deliverer.isStopped) return resolve();
    const timer = setTimeout(resolve, LOOK_MS);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}
