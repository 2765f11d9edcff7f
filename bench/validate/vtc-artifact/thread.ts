import { parentPort } from "node:worker_threads";
import type { ThreadAnswer } from "../threads.ts";
import { type ArtifactOutcome, type ArtifactRun, runArtifact } from "./run.ts";

/** Runs what it is given, one after the other. */
parentPort!.on("message", (run: ArtifactRun) => void answer(run));

async function answer(run: ArtifactRun): Promise<void> {
  const answered: ThreadAnswer<ArtifactOutcome> = await runArtifact(run).then(
    (result) => ({ result }),
    (error: Error) => ({ problem: error.message }),
  );
  parentPort!.postMessage(answered);
}
