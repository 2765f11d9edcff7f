import { z } from "zod";
import { LIMIT_UNITS } from "../../core/budget/limits.ts";
import { WINDOW_FORMS } from "../../core/budget/windows.ts";
import { schedulingSchema } from "../../config/scheduling-schema.ts";
import { ERRORS } from "../../core/errors.ts";
import type { ErrorCode } from "../../core/errors.ts";

const count = z.int().min(0);
const unit = z.enum(LIMIT_UNITS);
const window = z.string().describe(WINDOW_FORMS);
const decimal = z.string().describe("a decimal in the limit's unit");

export const budget = z
  .strictObject({
    account: z.string(),
    unit,
    window,
    limit: decimal,
    remaining: decimal,
    resets_at: z.iso.datetime().nullable().describe("when the window ends; null for `total`"),
  })
  .describe("What is left of one limit that the request counts under.");

const shortened = { account: z.string(), unit, window, limit: decimal, remaining: decimal };

export const shortage = z
  .discriminatedUnion("reason", [
    z.strictObject({ reason: z.literal("budget_exhausted"), ...shortened }),
    z.strictObject({
      reason: z.literal("shortened"),
      ...shortened,
      max_tokens: count.describe("what a threshold of the limit leaves an answer"),
    }),
    z.strictObject({ reason: z.literal("account_closed"), account: z.string() }),
  ])
  .describe(
    "What made this choice shorter, whose finish_reason is `length`: a limit, a threshold of one, or that its sub-account was closed.",
  );

export const usage = z.strictObject({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: z.strictObject({ cached_tokens: count }),
  cost_usd: z.number().min(0).describe("what the request was charged, all its attempts together"),
  budgets: z.array(budget).optional().describe("absent where no limit applies"),
  headgate: shortage
    .optional()
    .describe("only in answers of a remote API, whose choices are left as they are"),
});

const candidate = z.strictObject({ token: z.string(), logprob: z.number(), bytes: z.array(count) });

const chatLogprobs = z.strictObject({
  content: z.array(candidate.extend({ top_logprobs: z.array(candidate) })),
  refusal: z.null(),
});

const toolCall = z.strictObject({
  id: z.string(),
  type: z.literal("function"),
  function: z.strictObject({ name: z.string(), arguments: z.string() }),
});

const identity = { id: z.string(), created: count, model: z.string() };
const finishReason = z.enum(["stop", "length", "tool_calls"]);

export const chatCompletion = z.strictObject({
  ...identity,
  object: z.literal("chat.completion"),
  choices: z.array(
    z.strictObject({
      index: count,
      message: z.strictObject({
        role: z.literal("assistant"),
        content: z.string().nullable(),
        refusal: z.null(),
        tool_calls: z.array(toolCall).optional(),
      }),
      logprobs: chatLogprobs.nullable(),
      finish_reason: finishReason,
      headgate: shortage.optional(),
    }),
  ),
  usage,
});

const delta = z.strictObject({
  role: z.literal("assistant").optional(),
  content: z.string().optional(),
  refusal: z.null().optional(),
  tool_calls: z
    .array(
      z.strictObject({
        index: count,
        id: z.string().optional(),
        type: z.literal("function").optional(),
        function: z.strictObject({ name: z.string().optional(), arguments: z.string() }),
      }),
    )
    .optional(),
});

export const chatCompletionChunk = z.strictObject({
  ...identity,
  object: z.literal("chat.completion.chunk"),
  choices: z.array(
    z.strictObject({
      index: count,
      delta,
      logprobs: chatLogprobs.nullable(),
      finish_reason: finishReason.nullable(),
      headgate: shortage.optional(),
    }),
  ),
  usage: usage.nullish(),
});

const completionLogprobs = z.strictObject({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number()),
  top_logprobs: z.array(z.record(z.string(), z.number())),
  text_offset: z.array(count),
});

/** A whole answer, and each chunk of a streamed one. */
export const completion = z.strictObject({
  ...identity,
  object: z.literal("text_completion"),
  choices: z.array(
    z.strictObject({
      index: count,
      text: z.string(),
      logprobs: completionLogprobs.nullable(),
      finish_reason: z.enum(["stop", "length"]).nullable(),
      headgate: shortage.optional(),
    }),
  ),
  usage: usage.nullish(),
});

const amounts = z.partialRecord(unit, decimal);

export const slice = z.strictObject({
  name: z.string().describe("as the header `x-headgate-account` takes it"),
  account: z.string().describe("path from the root"),
  status: z.enum(["open", "closed"]),
  amounts: amounts.describe("what it was opened with; empty where that is not remembered"),
  remaining: amounts.describe("what nobody holds or has used"),
  released: amounts.optional().describe("what has come free by closing it"),
  expires: z.iso.datetime().nullable(),
});

export const model = z.strictObject({
  id: z.string(),
  object: z.literal("model"),
  created: count,
  owned_by: z.literal("headgate"),
});

export const modelList = z.strictObject({ object: z.literal("list"), data: z.array(model) });

const errorFacts = {
  reason: z.string().optional(),
  tried: z.array(z.string()).optional().describe("workers that were tried, in order"),
  stage: z.string().optional(),
  account: z.string().optional().describe("whose limit has no room"),
  limit: z.strictObject({ unit, window, amount: decimal }).optional(),
  needed: decimal.optional(),
  remaining: decimal.optional(),
  retry_after_seconds: z.number().optional(),
};

export const error = z.strictObject({
  error: z.strictObject({
    message: z.string(),
    type: z.enum([...new Set(Object.values(ERRORS).map(({ type }) => type))]),
    code: z.enum(Object.keys(ERRORS) as ErrorCode[]),
    param: z.string().nullable(),
    ...errorFacts,
  }),
});

/** The same in the words of the `/coordinator` addresses. */
export const coordinatorError = z.strictObject({
  error: z.string(),
  code: z.string().optional(),
  ...errorFacts,
});

export const inferEvent = z.union([
  z.strictObject({ token: z.string(), seq: count, finished: z.boolean() }),
  error.extend({ finished: z.literal(true) }),
]);

export const readiness = z.strictObject({
  status: z.enum(["ready", "not_ready"]),
  reason: z.string().optional(),
});

export const status = z.strictObject({
  supervisor: z
    .strictObject({ name: z.string(), pid: count, of: count })
    .optional()
    .describe("where several share the port: the one that answers, whose figures these are"),
  draining: z.boolean(),
  requests: count.describe("admitted and not settled yet"),
  openHolds: count,
  queue: z.strictObject({
    packets: count,
    bytes: count,
    bands: z.array(z.strictObject({ band: z.string(), packets: count, bytes: count })),
  }),
  sessions: count,
  kvBytes: z.number().min(0),
  workers: z.array(
    z.strictObject({
      worker: z.string(),
      url: z.string().nullable(),
      status: z.enum(["alive", "stale", "draining"]),
      isStalled: z.boolean().describe("its engine stands still while it has work, so it gets no more"),
      heartbeatUs: z.number().nullable(),
      inFlight: count,
      foreignSessions: count,
      kvBytesReserved: z.number().min(0),
      models: z.array(
        z.strictObject({
          model: z.string(),
          slots: count,
          inFlight: count,
          contextTokens: count,
          isRefusing: z.boolean(),
          breaker: z.enum(["closed", "open", "half_open"]),
        }),
      ),
    }),
  ),
});

const worker = z.strictObject({
  id: z.string(),
  url: z.string(),
  health: z.strictObject({ alive: z.boolean(), active_sessions: count, kv_cache_bytes: z.number().min(0) }),
  lastHeartbeat: count.nullable().describe("ms since the Unix epoch"),
  status: z.enum(["alive", "stale", "draining"]),
});

export const workerList = z.strictObject({
  workers: z.array(worker),
  counts: z.strictObject({ alive: count, stale: count, draining: count, dead: count }),
  total: count,
});

export const availableWorkers = z.strictObject({ workers: z.array(worker), count });

export const policies = schedulingSchema.describe(
  "The policies in force, as they would stand in the configuration; docs/configuration.md says what they mean.",
);

export const policyChange = z.strictObject({
  changed: z.array(
    z.strictObject({
      setting: z.string().describe("such as `queue.fairness`"),
      before: z.unknown().optional(),
      after: z.unknown().optional(),
    }),
  ),
  in_force: policies,
});

const milliseconds = z.number();
const probability = z.number().min(0).max(1);

export const canary = z
  .strictObject({
    profile: z.string().describe("the profile in use"),
    canary: z.string().nullable().describe("the one that is tried beside it"),
    share: probability.describe("of all requests that go by the canary"),
    profiles: z.array(
      z.strictObject({
        profile: z.string(),
        requests: count,
        completed: count,
        cost_usd: z.number().min(0),
        ttft_ms: z
          .strictObject({ samples: count, mean: milliseconds, p50: milliseconds, p99: milliseconds })
          .nullable()
          .describe("time to first token, of the latest 4,096 requests that got one"),
      }),
    ),
    difference: z
      .strictObject({
        ttft_mean_ms: milliseconds.describe("the canary's mean less that of the profile in use"),
        p_welch: probability.describe("how often chance alone would make as much of a difference in means"),
        p_mann_whitney: probability.describe("and in ranks, which no outlier moves"),
        verdict: z.enum(["faster", "slower", "same", "unclear"]).describe("of the canary"),
      })
      .nullable()
      .describe("null without a canary, or with fewer than eight times on either side"),
  })
  .describe("Requests that ended since the profiles were last changed.");

export const acknowledgement = z.strictObject({ ack: z.literal(true), supervisor: z.string().optional() });
