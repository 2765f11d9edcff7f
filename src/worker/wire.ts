import { z } from "zod";
import type { ChatMessage, ChosenLogprob, Sampling, Tool } from "./engine.ts";
import { RequestError } from "./errors.ts";
import { JSON_OBJECT_GRAMMAR } from "./grammar/json-grammar.ts";
import { jsonSchemaGrammar } from "./grammar/json-schema.ts";

/** Headgate's own dialect between supervisor and worker: what `POST /worker/generate` takes and answers. */

const STOPS_MAX = 16;
/** As OpenAI limits them. */
const CHOICES_MAX = 128;
const TOOLS_MAX = 128;
const LOGPROBS_MAX = 20;
const BIASES_MAX = 1_024;
const SEED_BITS = 32;
/** llama.cpp reads this seed as "choose one yourself". */
const SEED_RESERVED = 0xff_ff_ff_ff;

const NO_BIAS: ReadonlyMap<number, number> = new Map();

const textPart = z.object({ type: z.literal("text"), text: z.string() });

const toolCall = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

/** A chat message as OpenAI writes it; text parts are joined, parts of other types are refused. */
export const chatMessageSchema = z
  .object({
    role: z.enum(["system", "developer", "user", "assistant", "tool"]),
    content: z.union([z.string(), z.array(textPart), z.null()]).optional(),
    tool_calls: z.array(toolCall).max(TOOLS_MAX).nullish(),
    tool_call_id: z.string().nullish(),
  })
  .transform(({ role, content, tool_calls: calls, tool_call_id: callId }): ChatMessage => ({
    // Templates older than the role know its former name only.
    role: role === "developer" ? "system" : role,
    content: Array.isArray(content) ? content.map((part) => part.text).join("") : (content ?? ""),
    ...(calls ? { toolCalls: calls.map(({ id, function: called }) => ({ id, ...called })) } : {}),
    ...(callId ? { toolCallId: callId } : {}),
  }));

const toolSchema = z.custom<Tool>(
  (value) =>
    z
      .looseObject({ type: z.literal("function"), function: z.looseObject({ name: z.string().min(1) }) })
      .safeParse(value).success,
  "expected a function with a name",
);

export const samplingShape = {
  temperature: z.number().min(0).max(100).optional(),
  top_p: z.number().min(0).max(1).optional(),
  top_k: z.int().min(-1).optional(),
  min_p: z.number().min(0).max(1).optional(),
  seed: z.int().nullable().optional(),
  presence_penalty: z.number().min(-2).max(2).optional(),
  frequency_penalty: z.number().min(-2).max(2).optional(),
  repetition_penalty: z.number().gt(0).max(10).optional(),
};

const samplingSchema = z.object(samplingShape);

/** As OpenAI writes it: token ids are names there. */
const logitBiasSchema = z
  .record(z.string().regex(/^\d{1,9}$/, "expected token ids"), z.number().min(-100).max(100))
  .refine((biases) => Object.keys(biases).length <= BIASES_MAX, `at most ${BIASES_MAX} tokens`)
  .transform((biases) => new Map(Object.entries(biases).map(([id, bias]) => [Number(id), bias] as const)));

const grammarSchema = z
  .union([z.strictObject({ json: z.literal(true) }), z.strictObject({ json_schema: z.unknown() })])
  .transform((grammar) => ("json" in grammar ? JSON_OBJECT_GRAMMAR : jsonSchemaGrammar(grammar.json_schema)));

/** In one pass: a schema for each of a million numbers takes long enough to hold up others. */
function isTokens(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((id) => Number.isSafeInteger(id) && id >= 0);
}

function isAnswer(value: unknown): boolean {
  return (Array.isArray(value) && value.length === 0) || isTokens(value);
}

const promptSchema = z.union([
  z.object({
    messages: z.array(chatMessageSchema).min(1),
    tools: z.array(toolSchema).max(TOOLS_MAX).optional(),
  }),
  z.object({ text: z.string().min(1) }),
  z.object({ tokens: z.custom<number[]>(isTokens, "expected token ids, at least one") }),
]);

export type Prompt = z.output<typeof promptSchema>;

/** The whole answer so far; how many there are may be no more than the context has room for. */
const continueSchema = z.object({
  tokens: z.custom<number[]>(isAnswer, "expected token ids"),
  state: z.object({ url: z.string() }).nullable().optional(),
});

export const generateSchema = z.object({
  id: z.string().min(1).max(200),
  supervisor: z.string().max(200),
  model: z.string(),
  prompt: promptSchema,
  session: z.string().max(200).nullable().optional(),
  max_tokens: z.int().min(1),
  credit: z.int().min(0),
  sampling: samplingSchema.optional(),
  stop: z.array(z.string().min(1)).max(STOPS_MAX).optional(),
  ignore_eos: z.boolean().optional(),
  n: z.int().min(1).max(CHOICES_MAX).optional(),
  logprobs: z.int().min(0).max(LOGPROBS_MAX).nullable().optional(),
  logit_bias: logitBiasSchema.nullable().optional(),
  grammar: grammarSchema.nullable().optional(),
  continue: continueSchema.nullable().optional(),
  park_at: z.int().min(0).nullable().optional(),
  want_blocks: z.boolean().optional(),
});

export const tokenizeSchema = z.object({ model: z.string(), prompt: promptSchema });

export const creditSchema = z.object({ credit: z.int().min(0) });

export type FinishReason = "stop" | "length" | "credit_expired" | "cancelled";

export interface Usage {
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
}

/**
 * What a generation tells its reader, in this order: started, then tokens and credit, then done,
 * parked or error. `choice` is left out where there is only one; `seq` and `used` count for each choice.
 */
export type GenerationEvent =
  | {
      type: "started";
      prompt_tokens: number;
      cached_tokens: number;
      /** Chain hashes of the prompt's whole blocks, where somebody asked for them. */
      blocks?: readonly number[];
      /** Only of an answer that was begun elsewhere. */
      continued_from?: number;
      used_state?: boolean;
    }
  /** `seq` is the index of the first id. The last one may have no ids: text that was held back. */
  | {
      type: "tokens";
      choice?: number;
      seq: number;
      ids: readonly number[];
      text: string;
      logprobs?: readonly ChosenLogprob[];
    }
  | { type: "credit"; choice?: number; used: number }
  /** Only where there is more than one choice, and a choice is complete. */
  | { type: "finished"; choice: number; finish_reason: "stop" | "length" }
  | { type: "done"; finish_reason: FinishReason; usage: Usage }
  /** The generation can go on elsewhere; `state` is null where only its tokens can be had. */
  | { type: "parked"; generated: number; state: { tokens: number; bytes: number } | null; usage: Usage }
  | { type: "error"; code: string; message: string };

/** Reads a body or throws a {@link RequestError} that names the first wrong parameter. */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const param = issue === undefined || issue.path.length === 0 ? null : issue.path.join(".");
  const where = param === null ? "The body" : `\`${param}\``;
  throw new RequestError(
    "invalid_request",
    `${where} is not valid: ${issue?.message ?? "wrong type"}.`,
    param,
  );
}

/**
 * Fills in what the request left out: the model's own distribution, with a seed of its own. The
 * seed counts up from choice to choice, so that each can be had again alone.
 */
export function resolveSamplings(options: {
  given: z.output<typeof samplingSchema>;
  count: number;
  logitBias?: ReadonlyMap<number, number>;
}): Sampling[] {
  const { given, count, logitBias = NO_BIAS } = options;
  const seed = given.seed ?? Math.floor(Math.random() * SEED_RESERVED);
  const sampling: Omit<Sampling, "seed"> = {
    // A top_p of 0 leaves the likeliest token only. llama.cpp's sampler would need a number above 0 for it.
    temperature: given.top_p === 0 ? 0 : (given.temperature ?? 1),
    topP: given.top_p ?? 1,
    topK: Math.max(given.top_k ?? 0, 0),
    minP: given.min_p ?? 0,
    presencePenalty: given.presence_penalty ?? 0,
    frequencyPenalty: given.frequency_penalty ?? 0,
    repetitionPenalty: given.repetition_penalty ?? 1,
    logitBias,
  };
  return Array.from({ length: count }, (_, choice) => ({
    ...sampling,
    seed: samplerSeed(BigInt(seed) + BigInt(choice)),
  }));
}

/** Any integer, negative ones too, as a seed the sampler can take. */
export function samplerSeed(seed: bigint): number {
  const bits = Number(BigInt.asUintN(SEED_BITS, seed));
  return bits === SEED_RESERVED ? SEED_RESERVED - 1 : bits;
}
