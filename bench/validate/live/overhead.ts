import type { Random } from "../../../src/core/random.ts";
import { randomWords } from "../../../src/simulator/calibration/measure.ts";
import type { MeasuredEngine, Timing } from "../../../src/simulator/calibration/measured-engine.ts";
import { quantile } from "../../../src/simulator/statistics/quantiles.ts";

/** What the way through the supervisor adds to a request that asks a worker itself. In µs, each part of an answer one. */
export interface Overhead {
  /** Until the first token. */
  ttftUs: number;
  /** From the first token to the end. */
  restUs: number;
}

const WORDS = 4;
const OUTPUT_TOKENS = 8;
const US_PER_MS = 1_000;

/** The same questions to a worker and to the supervisor in front of it, in turns, one at a time. */
export class OverheadMeter {
  readonly #direct: MeasuredEngine;
  readonly #through: MeasuredEngine;
  readonly #random: Random;
  readonly #ttftMs = { direct: [] as number[], through: [] as number[] };
  readonly #restMs = { direct: [] as number[], through: [] as number[] };

  constructor(ways: { direct: MeasuredEngine; through: MeasuredEngine }, random: Random) {
    this.#direct = ways.direct;
    this.#through = ways.through;
    this.#random = random;
  }

  async measure(rounds: number, signal: AbortSignal): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      this.#note("direct", await this.#ask(this.#direct, signal));
      this.#note("through", await this.#ask(this.#through, signal));
    }
  }

  /** Differences of medians, none below 0. */
  result(): Overhead {
    return { ttftUs: difference(this.#ttftMs), restUs: difference(this.#restMs) };
  }

  #ask(engine: MeasuredEngine, signal: AbortSignal): Promise<Timing> {
    return engine.generate({ prompt: randomWords(this.#random, WORDS), outputTokens: OUTPUT_TOKENS, signal });
  }

  #note(way: "direct" | "through", { sentMs, arrivedMs, endedMs }: Timing): void {
    const firstMs = arrivedMs[0] ?? endedMs;
    this.#ttftMs[way].push(firstMs - sentMs);
    this.#restMs[way].push(endedMs - firstMs);
  }
}

function difference({ direct, through }: { direct: number[]; through: number[] }): number {
  return Math.max(0, quantile(through, 0.5) - quantile(direct, 0.5)) * US_PER_MS;
}
