import { z } from "zod";
import { SECTIONS } from "../../config/scheduling-schema.ts";

const count = z.int().min(0);
const positive = z.int().min(1);
const schema = z.record(z.string(), z.unknown()).describe("a JSON schema");

/** What both kinds of completions take in the same words. */
const generation = {
  model: z.string().describe("a name from `GET /v1/models`"),
  n: positive.optional(),
  max_tokens: positive.optional(),
  stream: z.boolean().optional(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).optional(),
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().min(0).max(1).optional(),
  top_k: z.int().min(-1).optional(),
  min_p: z.number().min(0).max(1).optional(),
  seed: z.int().optional(),
  presence_penalty: z.number().min(-2).max(2).optional(),
  frequency_penalty: z.number().min(-2).max(2).optional(),
  repetition_penalty: z.number().gt(0).max(2).optional(),
  stop: z.union([z.string(), z.array(z.string()).max(4)]).optional(),
  ignore_eos: z.boolean().optional(),
  logit_bias: z.record(z.string(), z.number().min(-100).max(100)).optional().describe("by token id"),
  prompt_cache_key: z
    .string()
    .max(256)
    .optional()
    .describe("names the session, as `x-headgate-session` does"),
  session_id: z.string().max(256).optional().describe("the same"),
};

const tool = z.looseObject({
  type: z.literal("function"),
  function: z.looseObject({
    name: z.string(),
    description: z.string().optional(),
    parameters: schema.optional(),
  }),
});

const message = z.looseObject({
  role: z.enum(["system", "developer", "user", "assistant", "tool"]),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string() })), z.null()]).optional(),
  tool_calls: z.array(z.unknown()).optional(),
  tool_call_id: z.string().optional(),
});

export const chatCompletionRequest = z
  .looseObject({
    ...generation,
    messages: z.array(message).min(1),
    max_completion_tokens: positive.optional(),
    tools: z.array(tool).max(128).optional(),
    tool_choice: z
      .union([
        z.enum(["none", "auto", "required"]),
        z.looseObject({ type: z.literal("function"), function: z.looseObject({ name: z.string() }) }),
      ])
      .optional(),
    parallel_tool_calls: z.boolean().optional(),
    response_format: z
      .union([
        z.object({ type: z.enum(["text", "json_object"]) }),
        z.object({
          type: z.literal("json_schema"),
          json_schema: z.looseObject({ name: z.string(), schema: schema.optional() }),
        }),
      ])
      .optional(),
    logprobs: z.boolean().optional(),
    top_logprobs: count.max(20).optional(),
  })
  .describe("What else a remote API takes is passed on to it.");

export const completionRequest = z
  .looseObject({
    ...generation,
    prompt: z.union([z.string(), z.array(count), z.array(z.string()).max(1), z.array(z.array(count)).max(1)]),
    logprobs: count.max(20).optional(),
  })
  .describe("One prompt a request. What else a remote API takes is passed on to it.");

export const inferRequest = z.looseObject({
  prompt: z.string().min(1),
  model: z.string(),
  max_tokens: positive,
});

const decimalOrNumber = z.union([z.string(), z.number()], "give a decimal as text, or a number");

export const newSlice = z.strictObject({
  name: z.string().describe("one more level of the path, never used before, such as `agent-7`"),
  amounts: z
    .strictObject({
      usd: decimalOrNumber.optional(),
      requests: decimalOrNumber.optional(),
      input_tokens: decimalOrNumber.optional(),
      output_tokens: decimalOrNumber.optional(),
    })
    .describe("at least one; what is not named is charged above as if there were no slice"),
  ttl_seconds: z
    .number()
    .min(1)
    .optional()
    .describe("closed by itself after so long; an hour if absent, and never later than the slice around it"),
});

export const heartbeat = z
  .looseObject({
    worker_id: z.string(),
    worker_url: z.url(),
    timestamp: z.number().describe("ms since the Unix epoch"),
    health: z.looseObject({ alive: z.boolean(), active_sessions: count, kv_cache_bytes: z.number().min(0) }),
  })
  .describe("docs/worker-wire.md has the fields that embedded workers add.");

export const policyPatch = z
  .looseObject(Object.fromEntries(SECTIONS.map((section) => [section, z.looseObject({}).optional()])))
  .describe(
    "A part of what `GET` answers. Groups keep what is not named; a policy is replaced with its parameters; null stands for the default.",
  );

export const farewell = z.looseObject({ worker_id: z.string(), epoch: z.string().nullable().optional() });
