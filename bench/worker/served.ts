/** An embedded worker, with nobody to report to. Its one argument is the setup, as JSON. */
import { createLog } from "../../src/observability/log.ts";
import { runWorker } from "../../src/worker/run.ts";
import { serveParent } from "../child.ts";
import type { Setup } from "./prompts.ts";

const { threads, ...model } = JSON.parse(process.argv[2]!) as Setup;
const worker = await runWorker({ models: [model], port: 0, engine: { threads }, log: createLog("info") });
serveParent(worker.url);
