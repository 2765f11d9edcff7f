import { Random } from "../../../src/core/random.ts";
import { MICROS_PER_SECOND } from "../../../src/core/units.ts";
import { type Calibration, Calibrator } from "../../../src/simulator/calibration/calibrate.ts";
import type { MeasuredEngine } from "../../../src/simulator/calibration/measured-engine.ts";
import { connectOpenAi } from "../../../src/simulator/calibration/openai-engine.ts";
import { connectWorker } from "../../../src/simulator/calibration/worker-engine.ts";
import type { EngineProfile } from "../../../src/simulator/engine-profiles/engine-profile.ts";
import { mean } from "../../../src/simulator/statistics/moments.ts";
import { CoreClock } from "./core-clock.ts";
import { LiveFleet } from "./fleet.ts";
import { askAll, type LiveAnswer } from "./live.ts";
import { type Overhead, OverheadMeter } from "./overhead.ts";
import { drawArrivals, drawQuestions, type Length } from "./requests.ts";
import { type SimulatedAnswer, simulate, workloadOf } from "./simulated.ts";

export interface LiveOptions {
  model: string;
  workers: number;
  /** Each of so many requests; between them, the engines are measured, so that a machine whose speed drifts drifts for both. */
  parts: number;
  requestsPerPart: number;
  words: Length;
  outputTokens: Length;
  /** Share of the engines' time that the requests take, about. */
  utilisation: number;
  /** Of the calibration, before each part and after the last. */
  rounds: number;
  overheadRounds: number;
  /** Simulations that are averaged: each draws its own delays. */
  seeds: number;
  seed: number;
}

export interface LiveComparison {
  live: LiveAnswer[];
  /** The same requests in the same order, once for each seed. */
  simulated: SimulatedAnswer[][];
  calibration: Calibration;
  overhead: Overhead;
  /** Requests a second. */
  rate: number;
  /** Share of the machine's cores that were busy while requests ran, with whatever. */
  coresBusy: number;
}

/** Calibrates on prompts and batches by themselves, lets real clients ask a real fleet, and simulates what they asked. */
export async function compareLive(options: LiveOptions): Promise<LiveComparison> {
  const { model, workers, parts, requestsPerPart, rounds, overheadRounds } = options;
  const { signal } = new AbortController();
  const random = new Random(options.seed);
  await using fleet = await LiveFleet.start({ model, count: workers });
  const engines = await Promise.all(fleet.workers.map((url) => workerAt(url, model)));
  const gateway = await connectOpenAi(fleet.url, { model, key: undefined });
  const calibrator = new Calibrator({
    engines: [engines[0]!, ...engines.slice(1)],
    facts: { name: model },
    batchMax: Infinity,
    promptTokensMax: Infinity,
  });
  const meter = new OverheadMeter({ direct: engines[0]!, through: gateway }, random.fork());
  const measure = async (): Promise<void> => {
    await calibrator.measure(rounds, { signal });
    await meter.measure(overheadRounds, signal);
  };
  await measure();
  const { words, outputTokens } = options;
  const questions = drawQuestions(random, { count: parts * requestsPerPart, words, outputTokens });
  const rate = rateFor(options, { profile: calibrator.result().profile, questions });
  const answers: LiveAnswer[][] = [];
  const coresBusy: number[] = [];
  for (let part = 0; part < parts; part++) {
    const asked = questions.slice(part * requestsPerPart, (part + 1) * requestsPerPart);
    const clock = new CoreClock();
    answers.push(await askAll(gateway, drawArrivals(random, asked, rate), signal));
    coresBusy.push(clock.busyShare());
    await measure();
  }
  const calibration = calibrator.result();
  const overhead = meter.result();
  const workload = workloadOf(answers, model);
  const { config } = fleet;
  const simulated = Array.from({ length: options.seeds }, (_, i) => {
    return simulate({ workload, config, profile: calibration.profile, workers, overhead, seed: i + 1 });
  });
  return { live: answers.flat(), simulated, calibration, overhead, rate, coresBusy: mean(coresBusy) };
}

async function workerAt(url: URL, model: string): Promise<MeasuredEngine> {
  const engine = await connectWorker(url, model);
  if (engine === null) throw new Error(`${url.origin} is no worker`);
  return engine;
}

/** Requests a second that keep the engines as busy as asked for, were two answers under way at each at any time. */
function rateFor(
  { utilisation, workers }: LiveOptions,
  of: { profile: EngineProfile; questions: readonly { prompt: string; outputTokens: number }[] },
): number {
  const { prefillUs, decodeUs } = of.profile;
  const [, p1] = prefillUs;
  const [d0, d1, d2] = decodeUs;
  let us = 0;
  for (const { prompt, outputTokens } of of.questions) {
    const promptTokens = prompt.length * TOKENS_PER_CHARACTER;
    us += p1 * promptTokens + outputTokens * (d0 / 2 + d1 + d2 * (promptTokens + outputTokens / 2));
  }
  return (utilisation * workers * MICROS_PER_SECOND * of.questions.length) / us;
}

/** Of random words, in the demo models' vocabulary. */
const TOKENS_PER_CHARACTER = 0.8;
