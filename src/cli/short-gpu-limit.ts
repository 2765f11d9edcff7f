import { z } from "zod";
import { readPart } from "../config/load.ts";
import { configSchema, CONCURRENCY_DEFAULT } from "../config/schema.ts";
import { gpuTime, shareOfPlace } from "../core/budget/gpu-time.ts";
import { formatAmount, type LimitRow } from "../core/budget/limits.ts";
import { MICROS_PER_SECOND } from "../core/units.ts";
import { SLOTS_DEFAULT } from "../worker/options.ts";

/** As much of the file as says what an answer needs of GPUs to begin. */
const partSchema = z.object({
  budgets: configSchema.shape.budgets,
  models: configSchema.shape.models,
  remotes: configSchema.shape.remotes,
});

/**
 * What to say of a limit of GPU time under which answers of some models in the file at `path` never begin, for it is less than
 * what is held for one at first; null for any other, and where those parts of the file can't be read.
 */
export function shortGpuLimit(
  { unit, amount }: Pick<LimitRow, "unit" | "amount">,
  path: string,
): string | null {
  if (unit !== "gpu_seconds" || amount === null) return null;
  const read = partSchema.safeParse(readPart(path).document ?? {});
  if (!read.success) return null;
  const { budgets, models, remotes } = read.data;
  const packetUs = budgets.gpu_packet_seconds * MICROS_PER_SECOND;
  const places = [
    ...Object.entries(models).map(([name, { gpus, slots }]) => {
      return { name, share: shareOfPlace({ gpus, slots: slots ?? SLOTS_DEFAULT }) };
    }),
    ...remotes.flatMap(({ models: served, gpus, concurrency_max: slots }) => {
      const share = shareOfPlace({ gpus, slots: slots ?? CONCURRENCY_DEFAULT });
      return Object.keys(served).map((name) => ({ name, share }));
    }),
  ];
  const short = places
    .map(({ name, share }) => ({ name, needed: BigInt(gpuTime(packetUs, share)) }))
    .filter(({ needed }) => needed > BigInt(amount));
  if (short.length === 0) return null;
  const needs = short.map(({ name, needed }) => `${name} ${formatAmount("gpu_seconds", needed)}`);
  return (
    `By ${path}, no answer of these models begins under that limit, for each needs so many GPU-seconds at first: ` +
    `${needs.join(", ")}. Set a higher limit, or a shorter budgets.gpu_packet_seconds.`
  );
}
