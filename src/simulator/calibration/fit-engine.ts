import type { EngineProfile } from "../engine-profiles/engine-profile.ts";
import { fitRelative, fitted, meanErrorOf, type Observation } from "./fit.ts";
import type { DecodePoint, Measurements, PrefillPoint } from "./measure.ts";
import type { MixedBatching } from "./measured-engine.ts";

/** The terms of `EngineProfile` that come closest to what was measured. */
export interface FittedEngine {
  figures: Pick<EngineProfile, "prefillUs" | "decodeUs" | "decodeLarge"> & {
    queueUs: readonly [base: number, perPromptToken: number];
  };
  prefill: FittedPoint<PrefillPoint>[];
  decode: FittedPoint<DecodePoint>[];
  /** Mean of |fitted − measured| / measured. */
  prefillError: number;
  decodeError: number;
}

export type FittedPoint<Point> = Point & { fittedUs: number };

/** Engines multiply a vector where a single sequence is decoded, and matrices from two on: that takes figures of its own. */
const LARGE_BATCH_MIN = 2;

/**
 * One fit for all points: p0, p1, p2; d0, d1, d2; the same for large batches; and what a request takes besides steps, such
 * as HTTP and tokenising. Throws when nothing was measured.
 */
export function fitEngine({ prefill, decode }: Measurements, batching: MixedBatching): FittedEngine {
  // What a request takes looks like p0 where each prompt is one step.
  const hasSteps = prefill.some(({ tokens }) => tokens > stepTokens(batching));
  // A line through batches takes two sizes.
  const large = decode.filter(({ batch }) => batch >= LARGE_BATCH_MIN);
  const hasLarge = new Set(large.map(({ batch }) => batch)).size > 1;
  const prefillSeen = prefill.map(({ tokens, us }): Observation => {
    const [request, ...steps] = prefillTerms(tokens, batching).toReversed();
    return { terms: [...steps.toReversed(), hasSteps ? request! : 0], measured: us };
  });
  const decodeSeen = decode.map(({ batch, contextTokens, us }): Observation => {
    const isLarge = hasLarge && batch >= LARGE_BATCH_MIN;
    const terms = [1, batch, contextTokens];
    const none = [0, 0, 0];
    // Of one sequence alone, d0 and d1 can't be told apart.
    const small = hasLarge ? [0, batch, contextTokens] : terms;
    return { terms: [...none, ...(isLarge ? none : small), ...(isLarge ? terms : none), 0], measured: us };
  });
  const { coefficients } = fitRelative([...prefillSeen, ...decodeSeen]);
  const [p0, p1, p2, d0, d1, d2, l0, l1, l2, requestUs] = coefficients as Terms;
  const fittedUs = ({ terms }: Observation): number => fitted(terms, coefficients);
  return {
    figures: {
      prefillUs: [p0, p1, p2],
      decodeUs: [d0, d1, d2],
      ...(hasLarge ? { decodeLarge: { batchMin: LARGE_BATCH_MIN, decodeUs: [l0, l1, l2] } } : {}),
      queueUs: [requestUs, 0],
    },
    prefill: prefill.map((point, i) => ({ ...point, fittedUs: fittedUs(prefillSeen[i]!) })),
    decode: decode.map((point, i) => ({ ...point, fittedUs: fittedUs(decodeSeen[i]!) })),
    prefillError: meanErrorOf(prefillSeen, coefficients),
    decodeError: meanErrorOf(decodeSeen, coefficients),
  };
}

/** p0, p1, p2; d0, d1, d2; the same for large batches; the request. */
type Terms = [number, number, number, number, number, number, number, number, number, number];

/**
 * How often each term counts until the first token of a prompt of T tokens is there: p0 in ⌈T/C⌉ steps that read C tokens
 * at most, p1 for T and p2 for T². Where the last token is read apart, that is a step of decoding for one sequence.
 */
export function prefillTerms(tokens: number, batching: MixedBatching): Terms {
  const last = batching.lastTokenApart === true ? 1 : 0;
  const read = tokens - last;
  return [Math.ceil(read / stepTokens(batching)), read, read ** 2, 0, last, last * tokens, 0, 0, 0, 1];
}

function stepTokens({ tokensPerStepMax, promptTokensPerStepMax = Infinity }: MixedBatching): number {
  return Math.min(tokensPerStepMax, promptTokensPerStepMax);
}
