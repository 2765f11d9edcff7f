import { parentPort } from "node:worker_threads";
import type { ThreadAnswer } from "../threads.ts";
import { type FleetOutcome, type FleetRun, runFleet } from "./run.ts";

/** Runs what it is given, one after the other. */
parentPort!.on("message", (run: FleetRun) => void answer(run));

async function answer(run: FleetRun): Promise<void> {
  const answered: ThreadAnswer<FleetOutcome> = await runFleet(run).then(
    (result) => ({ result }),
    (error: Error) => ({ problem: error.message }),
  );
  parentPort!.postMessage(answered);
}
