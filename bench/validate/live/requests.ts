import type { Random } from "../../../src/core/random.ts";
import { MICROS_PER_SECOND, type Micros } from "../../../src/core/units.ts";
import { randomWords } from "../../../src/simulator/calibration/measure.ts";
import { lognormal } from "../../../src/simulator/workloads/synthetic/draws.ts";
import { poisson } from "../../../src/simulator/workloads/synthetic/arrivals.ts";

/** What a client asks, and when after the beginning of its part. */
export interface LiveRequest {
  atUs: Micros;
  prompt: string;
  outputTokens: number;
}

/** Drawn lognormal, as those of people's requests are, and cut off at both ends. */
export interface Length {
  mean: number;
  min: number;
  max: number;
}

/** Coefficient of variation of lengths. */
const VARIATION = 0.8;

/** Prompts of random words, which have nothing in common, and answers of lengths that are fixed beforehand. */
export function drawQuestions(
  random: Random,
  { count, words, outputTokens }: { count: number; words: Length; outputTokens: Length },
): Omit<LiveRequest, "atUs">[] {
  return Array.from({ length: count }, () => {
    const prompt = randomWords(random, draw(random, words));
    return { prompt, outputTokens: draw(random, outputTokens) };
  });
}

/** Gives each question a time to arrive at, `rate` a second on average, independent of each other. */
export function drawArrivals(
  random: Random,
  questions: readonly Omit<LiveRequest, "atUs">[],
  rate: number,
): LiveRequest[] {
  const times = poisson(rate)(random);
  return questions.map((question) => {
    return { ...question, atUs: Math.round(times.next().value! * MICROS_PER_SECOND) };
  });
}

function draw(random: Random, { mean, min, max }: Length): number {
  return Math.round(Math.min(max, Math.max(min, lognormal(mean, VARIATION)(random))));
}
