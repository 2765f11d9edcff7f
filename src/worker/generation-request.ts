import type { EngineModel, Sampling } from "./engine.ts";
import { RequestError } from "./errors.ts";
import type { Continuation } from "./handover/continuation.ts";
import { checkContinuation, notContinuable } from "./handover/continuation.ts";
import { promptTokens } from "./prompt-tokens.ts";
import type { Prompt } from "./wire.ts";

/** What every dialect's request comes down to. */
export interface GenerationRequest {
  id: string;
  /** Who sent it; "" for clients that are no supervisors. */
  supervisor: string;
  model: string;
  prompt: Prompt;
  session: string | null;
  /** For each choice; null for as many as the context has room for. */
  maxTokens: number | null;
  /** For each choice; null when the generation needs no credit. */
  credit: number | null;
  /** How long it waits for credit; null for as long as is usual here. */
  creditTtlMs: number | null;
  /** One for each choice. */
  samplings: readonly Sampling[];
  stop: readonly string[];
  ignoreEnd: boolean;
  logprobs: number | null;
  /** GBNF; see the engine's port. */
  grammar: string | null;
  /** The answer was begun elsewhere. */
  continued?: Continuation | null;
  /** Parks it once it has this many tokens. */
  parkAt?: number | null;
  /** Tells the hashes of the prompt's blocks. */
  wantBlocks?: boolean;
}

/** What a request comes to with a model, in the model's tokens. */
export interface Extent {
  prompt: readonly number[];
  /** Of each choice: as many as were wanted, and the context has room for. */
  maxTokens: number;
}

/** Whether the model can answer the request at all, however much room there is here. Throws {@link RequestError}. */
export function extentOf(model: EngineModel, request: GenerationRequest): Extent {
  const choices = request.samplings.length;
  checkChoices(model, choices);
  checkTokens(model, request.samplings);
  const prompt = promptTokens(model, request.prompt);
  const room = roomForAnswer(model, prompt.length);
  const maxTokens = Math.min(request.maxTokens ?? room, room);
  const continued = request.continued ?? null;
  if (continued !== null) checkContinuation({ model, continued, choices, maxTokens });
  if (choices > 1 && (request.parkAt ?? null) !== null) {
    throw notContinuable("Only a single choice can be parked.", "park_at");
  }
  return { prompt, maxTokens };
}

function checkChoices(model: EngineModel, count: number): void {
  const { name, slots } = model.description;
  if (count <= slots) return;
  throw new RequestError("invalid_request", `${name} gives at most ${slots} choices at a time.`, "n");
}

function checkTokens(model: EngineModel, samplings: readonly Sampling[]): void {
  const { vocabulary } = model.description;
  for (const id of samplings[0]?.logitBias.keys() ?? []) {
    if (id < vocabulary) continue;
    const message = `There is no token ${id}; there are ${vocabulary}.`;
    throw new RequestError("invalid_request", message, "logit_bias");
  }
}

/** Tokens that the context has left. */
function roomForAnswer(model: EngineModel, tokens: number): number {
  const { contextTokens } = model.description;
  if (tokens < contextTokens) return contextTokens - tokens;
  throw new RequestError(
    "context_length_exceeded",
    `The prompt has ${tokens} tokens; the context holds ${contextTokens}, answer included.`,
    "prompt",
  );
}
