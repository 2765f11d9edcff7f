import type { Endpoint } from "../../fleet/endpoint.ts";
import type { Micros } from "../../units.ts";
import { LineFit } from "./line-fit.ts";
import { PlaneFit } from "./plane-fit.ts";

/** Weight of a new latency in the average, as Parallax has it. */
const ALPHA = 0.2;
/** Fewer samples than this say nothing yet. */
const SAMPLES_MIN = 8;
/** Models whose latencies are known; those that come later have to do without. */
const MODELS_MAX = 1_000;
/** Before anything is known: 10,000 tokens of prompt read a second, and a token every 20 ms. Only their order matters. */
const READING_UNKNOWN: ReadingTime = { us: 0, usPerToken: 100, usPerSquare: 0 };
const TPOT_UNKNOWN = { us: 20_000, usPerSequence: 200 };

/**
 * Prompts to read. Every token costs the same in most of a network, but in attention as much as there is before
 * it, so a prompt of T tokens of which h are cached has T − h tokens and T² − h² squares.
 */
export interface Reading {
  tokens: number;
  squares: number;
}

/** What reading takes: so much at least, and for each token and each square. */
interface ReadingTime {
  us: Micros;
  usPerToken: Micros;
  usPerSquare: Micros;
}

interface ModelLatencies {
  readonly ttft: PlaneFit;
  readonly tpot: LineFit;
}

/**
 * Latencies as they were observed: for each model how they grow with work, and for each endpoint how much slower
 * or faster it is than the model's others.
 */
export class Latencies {
  readonly #models = new Map<string, ModelLatencies>();

  /** An answer of so many tokens is complete, so long after its dispatch. */
  ended({ load }: Endpoint, { latencyUs, tokens }: { latencyUs: Micros; tokens: number }): void {
    load.latencyUs = averaged(load.latencyUs, latencyUs);
    load.outputTokens = averaged(load.outputTokens, tokens);
  }

  /** A prompt was read after `us`, with so much to read: its own and what was before it. */
  promptRead(endpoint: Endpoint, { tokens, squares }: Reading, us: Micros): void {
    const fit = this.#of(endpoint)?.ttft;
    if (fit === undefined) return;
    if (fit.samples >= SAMPLES_MIN) endpoint.load.prefillSlowness.add(us, fit.at(tokens, squares));
    fit.add({ x: tokens, z: squares, y: us });
  }

  /** Each token took `us` while so many sequences were generated on average. */
  tokensCame(endpoint: Endpoint, sequences: number, us: Micros): void {
    const fit = this.#of(endpoint)?.tpot;
    if (fit === undefined) return;
    if (fit.samples >= SAMPLES_MIN) endpoint.load.decodeSlowness.add(us, fit.at(sequences));
    fit.add(sequences, us);
  }

  /** Time that reading so much adds to what else there is to do. */
  readingUs(endpoint: Endpoint, { tokens, squares }: Reading): Micros {
    const { usPerToken, usPerSquare } = this.#readingTime(endpoint);
    return endpoint.load.prefillSlowness.factor * (usPerToken * tokens + usPerSquare * squares);
  }

  /** Time to the first token with so much reading of prompts before it, in µs of reading. */
  ttftUs(endpoint: Endpoint, readingUs: Micros): Micros {
    return endpoint.load.prefillSlowness.factor * this.#readingTime(endpoint).us + readingUs;
  }

  /** Time for each token when so many sequences are generated. */
  tpotUs({ load, model }: Endpoint, sequences: number): Micros {
    const fit = this.#models.get(model)?.tpot;
    if (fit === undefined || fit.samples < SAMPLES_MIN) {
      return TPOT_UNKNOWN.us + TPOT_UNKNOWN.usPerSequence * sequences;
    }
    return load.decodeSlowness.factor * fit.at(sequences);
  }

  /** What each further sequence adds to the time for a token. */
  usPerSequence({ load, model }: Endpoint): Micros {
    const fit = this.#models.get(model)?.tpot;
    if (fit === undefined || fit.samples < SAMPLES_MIN) return TPOT_UNKNOWN.usPerSequence;
    return load.decodeSlowness.factor * fit.slope;
  }

  #readingTime({ model }: Endpoint): ReadingTime {
    const fit = this.#models.get(model)?.ttft;
    if (fit === undefined || fit.samples < SAMPLES_MIN || fit.slopeX + fit.slopeZ === 0)
      return READING_UNKNOWN;
    return { us: fit.at(0, 0), usPerToken: fit.slopeX, usPerSquare: fit.slopeZ };
  }

  #of({ model }: Endpoint): ModelLatencies | undefined {
    let latencies = this.#models.get(model);
    if (latencies === undefined && this.#models.size < MODELS_MAX) {
      this.#models.set(model, (latencies = { ttft: new PlaneFit(), tpot: new LineFit() }));
    }
    return latencies;
  }
}

function averaged(average: number | null, value: number): number {
  return average === null ? value : average + ALPHA * (value - average);
}
