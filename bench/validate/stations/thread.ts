import { parentPort } from "node:worker_threads";
import type { ThreadAnswer } from "../threads.ts";
import type { Outcome } from "./outcome.ts";
import { runStation, type StationRun } from "./run.ts";

parentPort!.on("message", (run: StationRun) => parentPort!.postMessage(answerTo(run)));

function answerTo(run: StationRun): ThreadAnswer<Outcome> {
  try {
    return { result: runStation(run) };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}
