import { z } from "zod";
import type { ChatMessage, Sampling } from "./engine.ts";
import { RequestError } from "./errors.ts";

/** Headgate's own dialect between supervisor and worker: what `POST /worker/generate` takes and answers. */

const STOPS_MAX = 16;
const SEED_BITS = 32;
/** llama.cpp reads this seed as "choose one yourself". */
const SEED_RESERVED = 0xff_ff_ff_ff;

const textPart = z.object({ type: z.literal("text"), text: z.string() });

/** A chat message as OpenAI writes it; text parts are joined, parts of other types are refused. */
export const chatMessageSchema = z
  .object({
    role: z.enum(["system", "developer", "user", "assistant", "tool"]),
    content: z.union([z.string(), z.array(textPart), z.null()]).optional(),
  })
  .transform(({ role, content }): ChatMessage => ({
    // Templates older than the role know its former name only.
    role: role === "developer" ? "system" : role,
    content: Array.isArray(content) ? content.map((part) => part.text).join("") : (content ?? ""),
  }));

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

/** In one pass: a schema for each of a million numbers takes long enough to hold up others. */
function isTokens(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((id) => Number.isSafeInteger(id) && id >= 0);
}

const promptSchema = z.union([
  z.object({ messages: z.array(chatMessageSchema).min(1) }),
  z.object({ text: z.string().min(1) }),
  z.object({ tokens: z.custom<number[]>(isTokens, "expected token ids, at least one") }),
]);

export type Prompt = z.output<typeof promptSchema>;

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
});

export const creditSchema = z.object({ credit: z.int().min(0) });

export type FinishReason = "stop" | "length" | "credit_expired" | "cancelled";

export interface Usage {
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
}

/** What a generation tells its reader, in this order: started, then tokens and credit, then done or error. */
export type GenerationEvent =
  | { type: "started"; prompt_tokens: number; cached_tokens: number }
  /** `seq` is the index of the first id. The last one may have no ids: text that was held back. */
  | { type: "tokens"; seq: number; ids: number[]; text: string }
  | { type: "credit"; used: number }
  | { type: "done"; finish_reason: FinishReason; usage: Usage }
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

/** Fills in what the request left out: the model's own distribution, with a seed of its own. */
export function resolveSampling(given: z.output<typeof samplingSchema>): Sampling {
  return {
    // A top_p of 0 leaves the likeliest token only. llama.cpp's sampler would need a number above 0 for it.
    temperature: given.top_p === 0 ? 0 : (given.temperature ?? 1),
    topP: given.top_p ?? 1,
    topK: Math.max(given.top_k ?? 0, 0),
    minP: given.min_p ?? 0,
    seed: samplerSeed(given.seed ?? Math.floor(Math.random() * SEED_RESERVED)),
    presencePenalty: given.presence_penalty ?? 0,
    frequencyPenalty: given.frequency_penalty ?? 0,
    repetitionPenalty: given.repetition_penalty ?? 1,
  };
}

/** Any integer, negative ones too, as a seed the sampler can take. */
function samplerSeed(seed: number): number {
  const bits = Number(BigInt.asUintN(SEED_BITS, BigInt(seed)));
  return bits === SEED_RESERVED ? SEED_RESERVED - 1 : bits;
}
