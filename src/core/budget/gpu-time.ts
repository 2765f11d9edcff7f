import type { Micros } from "../units.ts";
import type { ServedModel } from "../vocabulary.ts";

/**
 * GPU time is time that GPUs were kept busy or set aside, in whole µs of one GPU. An attempt takes places of an endpoint for
 * as long as it runs, each of them an equal part of the endpoint's GPUs: eight requests at a time on two GPUs are a quarter
 * of a GPU each. What is counted is time from dispatch until the supervisor sees the attempt end, whatever the GPU did.
 */

/** Parts of a GPU: `thousandths` ÷ (1000 × `of`). Both are whole, so that nothing is lost before it is rounded, once. */
export interface GpuShare {
  readonly thousandths: number;
  readonly of: number;
}

export const NO_GPU: GpuShare = { thousandths: 0, of: 1 };

const PER_GPU = 1_000n;
/** No packet is charged more, however long it runs on however many. */
const GPU_US_MAX = 10n ** 15n;

/** What one place of an endpoint is: of its GPUs, as many thousandths as configurations are exact to, for each slot. */
export function shareOfPlace({ gpus, slots }: Pick<ServedModel, "gpus" | "slots">): GpuShare {
  const thousandths = Math.round((gpus ?? 0) * Number(PER_GPU));
  return slots > 0 && thousandths > 0 ? { thousandths, of: slots } : NO_GPU;
}

/** So many places. */
export function places({ thousandths, of }: GpuShare, count: number): GpuShare {
  return { thousandths: thousandths * count, of };
}

/** The larger of the two. */
export function larger(a: GpuShare, b: GpuShare): GpuShare {
  return a.thousandths * b.of >= b.thousandths * a.of ? a : b;
}

/** GPU time for so much time of the clock, rounded up. */
export function gpuTime(us: Micros, { thousandths, of }: GpuShare): number {
  if (thousandths === 0 || us <= 0) return 0;
  const per = PER_GPU * BigInt(of);
  const gpuUs = (BigInt(Math.ceil(us)) * BigInt(thousandths) + per - 1n) / per;
  return Number(gpuUs < GPU_US_MAX ? gpuUs : GPU_US_MAX);
}

/** What of GPU time for `wholeUs` falls to the first `us` of them, rounded up. */
export function partOfTime(gpuUs: number, us: Micros, wholeUs: Micros): number {
  const whole = BigInt(Math.ceil(wholeUs));
  return Number((BigInt(gpuUs) * BigInt(Math.ceil(us)) + whole - 1n) / whole);
}

/** For how long so much GPU time lasts: the longest time that does not come to more. Infinity where no GPU is taken. */
export function lasting(gpuUs: number, { thousandths, of }: GpuShare): Micros {
  if (thousandths === 0) return Infinity;
  return Number((BigInt(Math.max(0, gpuUs)) * PER_GPU * BigInt(of)) / BigInt(thousandths));
}
