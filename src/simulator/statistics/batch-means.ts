import { type Interval, meanInterval } from "./intervals.ts";

/**
 * The mean of one long run, whose values depend on those before them: means of consecutive batches are nearly
 * independent once batches are much longer than the memory of the run. Law, "Simulation Modeling and Analysis",
 * §9.5.3. What does not fill the last batch is left out. Throws for fewer than two values a batch.
 */
export function batchMeans(values: ArrayLike<number>, batches: number, confidence = 0.95): Interval {
  const size = Math.floor(values.length / batches);
  if (batches < 2 || size < 2) throw new RangeError(`${values.length} values don't fill ${batches} batches`);
  const means = Array.from({ length: batches }, (_, batch) => {
    let sum = 0;
    for (let i = batch * size; i < (batch + 1) * size; i++) sum += values[i]!;
    return sum / size;
  });
  return meanInterval(means, confidence);
}
