import { parentPort } from "node:worker_threads";
import { runStation, type StationRun } from "./run.ts";

/** Runs what it is given, one after the other. */
parentPort!.on("message", (run: StationRun) => parentPort!.postMessage(runStation(run)));
