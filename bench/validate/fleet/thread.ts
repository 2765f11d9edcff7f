import { parentPort } from "node:worker_threads";
import type { ThreadAnswer } from "../threads.ts";
import { type FleetRun, type FleetOutcome, runFleet } from "./run.ts";

/** Runs what it is given, one after the other. */
parentPort!.on("message", async (run: FleetRun) => {
  const answer: ThreadAnswer<FleetOutcome> = await runFleet(run).then(
    (result) => ({ result }),
    (error: Error) => ({ problem: error.message }),
  );
  parentPort!.postMessage(answer);
});
