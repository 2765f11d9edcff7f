import { runWorkerProcess } from "../../src/worker/process.ts";
import { MODEL, SILENT } from "./harness.ts";

/** Forked by a test. */
await runWorkerProcess({ port: 0, models: [MODEL], engine: { threads: 1 }, log: SILENT });
