import type { EngineModel, OpenOptions, StateSource, TokenSource } from "./engine.ts";
import { GrammarError, NotContinuableError } from "./engine.ts";
import { Refusal, RequestError } from "./errors.ts";
import type { GenerationRequest } from "./generation-request.ts";
import { FROM_START, notContinuable, samplingFrom } from "./handover/continuation.ts";

/**
 * A slot of the model for each choice of the request, which goes on from where it was elsewhere. Throws
 * {@link RequestError} or {@link Refusal}.
 */
export function takeSlots(options: {
  model: EngineModel;
  prompt: readonly number[];
  request: GenerationRequest;
  /** Where the KV state comes from that is there. */
  stateSource: (url: URL) => StateSource;
}): TokenSource[] {
  const { model, prompt, request } = options;
  const { session, ignoreEnd, logprobs, grammar } = request;
  const { tokens: generated, stateUrl } = request.continued ?? FROM_START;
  const samplings = request.samplings.map((sampling) => samplingFrom(generated.length, sampling));
  const stateSource = stateUrl === null ? null : options.stateSource(stateUrl);
  const sources = open(model, {
    prompt,
    samplings,
    session,
    ignoreEnd,
    logprobs,
    grammar,
    generated,
    stateSource,
  });
  if (sources !== null) return sources;
  const { name, slots } = model.description;
  const { length: count } = samplings;
  const wanted = count === 1 ? "" : `; ${count} were wanted`;
  throw new Refusal("max_sessions_exceeded", `All ${slots} slots of ${name} are taken${wanted}.`);
}

/** Null when there are not enough. */
function open(model: EngineModel, options: OpenOptions): TokenSource[] | null {
  try {
    return model.open(options);
  } catch (error) {
    if (error instanceof NotContinuableError) throw notContinuable(error.message);
    if (!(error instanceof GrammarError)) throw error;
    const message = "The schema makes a grammar that is too large: use smaller limits and fewer parts.";
    throw new RequestError("invalid_request", message, "grammar.json_schema");
  }
}
