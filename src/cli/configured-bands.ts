import { readPart } from "../config/load.ts";
import { schedulingSchema } from "../config/scheduling-schema.ts";

/** Names of the bands in `queue.bands`, from the most urgent on; null where that part of the file can't be read. */
export function configuredBands(path: string): string[] | null {
  const { queue } = (readPart(path).document ?? {}) as { queue?: unknown };
  const read = schedulingSchema.shape.queue.safeParse(queue);
  return read.success ? read.data.bands.map(({ name }) => name) : null;
}
