import type { Worker } from "../fleet/worker.ts";
import type { Queue } from "./queue.ts";

/**
 * Work stealing, as far as there is any where packets wait for nobody in particular: a worker that has room takes from the
 * longest line of those it can serve, wherever it stands in its own list of models.
 */
export function longestFirst({ endpoints }: Worker, queue: Queue): string[] {
  const models = endpoints.map(({ model }) => model).filter((model) => queue.waitingFor(model) > 0);
  return models.length < 2 ? models : models.sort((a, b) => queue.waitingFor(b) - queue.waitingFor(a));
}
