import { z } from "zod";

/** How many of each kind one configuration may hold. */
const BANDS_MAX = 16;
const STEPS_MAX = 32;

export const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]*$/, "use letters, digits and . _ : / -");
export const seconds = z.number().positive().max(86_400);
export const count = z.number().int().positive();
export const bytes = z.number().int().positive();
const weight = z.number().positive().max(1_000_000);
const share = z.number().positive().max(1);

const parameter = z.union([z.number(), z.string()], "give a number or a text");

/** A policy by its name, or with parameters: `edf`, or `{name: attained-service, half_life: 30}`. */
const policy = z
  .union(
    [z.string().min(1), z.object({ name: z.string().min(1) }).catchall(parameter)],
    "give the name of a policy, or its name and parameters as {name: …, …}",
  )
  .meta({ typeName: "policy" });

const scorer = z.union(
  [z.string().min(1), z.object({ name: z.string().min(1), weight: weight.default(1) }).catchall(parameter)],
  "give the name of a scorer, or its name, weight and parameters as {name: …, weight: …, …}",
);

/** A group of settings that may be `off` as a whole, or `on` with their defaults. */
function orOff<T extends z.ZodObject>(group: T): z.ZodType<z.output<T> | "off", z.input<T> | "off" | "on"> {
  return z
    .preprocess((given) => (given === "off" ? null : given === "on" ? {} : given), group.nullable())
    .transform((given) => given ?? "off") as never;
}

const placement = z.strictObject({
  policy: name.default("standard").describe("profile in use: one of `placement.profiles`, or a built-in one"),
  profiles: z
    .record(
      name,
      z.strictObject({
        filters: z
          .array(policy)
          .max(STEPS_MAX)
          .default([])
          .meta({ typeName: "list of policies" })
          .describe("which endpoints may take it at all, in order"),
        scorers: z
          .array(scorer)
          .max(STEPS_MAX)
          .default([])
          .meta({ typeName: "list of policies with weights" })
          .describe("how attractive they are: each score, from 0 to 1, counts by its `weight`"),
        picker: policy.default("max-score").describe("who of them takes it"),
        batch: policy.optional().describe("places what waits together; one by one if absent"),
      }),
    )
    .default({}),
  canary: orOff(
    z.strictObject({
      profile: name.describe("profile that is tried"),
      share: share.describe("of all requests, from 0 to 1"),
    }),
  )
    .prefault("off")
    .describe("a second profile for some of the requests; `GET /admin/canary` compares the two"),
  prefix: z
    .strictObject({
      block_tokens: count
        .max(1_024)
        .default(64)
        .describe("prompts are compared in blocks of so many tokens, taken to have four bytes each"),
      blocks_max: count
        .max(100_000_000)
        .default(1_000_000)
        .describe("blocks that are remembered over all endpoints; the oldest are forgotten"),
    })
    .prefault({}),
  signals: z
    .strictObject({
      trust: seconds.default(15).describe("an older report of a worker says nothing any more"),
      sessions_max: count.max(10_000_000).default(100_000).describe("sessions whose worker is remembered"),
      session_ttl: seconds.default(600).describe("for so long after its last request"),
    })
    .prefault({}),
  split_tokens_min: count
    .default(512)
    .describe(
      "prompts with so many tokens to compute are read by workers of the role `prefill`, where there are any",
    ),
  slo: orOff(
    z.strictObject({
      ttft: seconds.describe("to the first token"),
      tpot: seconds.describe("for each further one"),
    }),
  )
    .prefault("off")
    .describe("what is hoped for where a request does not say"),
});

const rate = z.strictObject({
  per_second: z.number().positive().max(1_000_000).describe("requests"),
  burst: count.max(1_000_000).default(1).describe("requests that may come at once"),
});

const tenantName = name.meta({ title: "tenant" });

const keyName = z
  .string()
  .regex(/^[\w.-]+(?:\/[\w.-]+)+$/, "write it as tenant/key, with projects between them: acme/research/alice")
  .meta({ title: "tenant/key" });

const flow = z.strictObject({
  weight: weight.default(1).describe("share against others"),
  concurrency_max: count.optional().describe("requests that run at the same time; no cap if absent"),
  priority: z
    .string()
    .min(1)
    .optional()
    .describe("band of requests that name none, and the most urgent they may name; any if absent"),
});

const queue = z.strictObject({
  bands: z
    .array(
      z.strictObject({
        name: name.describe("as requests name it in `x-headgate-priority`"),
        weight: weight.default(1).describe("share against other bands, where `band_policy` goes by it"),
        packets_max: count.optional().describe("packets of this band that may wait; all that fit if absent"),
        bytes_max: bytes.optional().describe("bodies of this band that may wait; all that fit if absent"),
        ttl: seconds.optional().describe("how long a packet may wait; `timeouts.queue` if absent"),
        sheddable: z.boolean().default(false).describe("turned away first when the fleet is saturated"),
        preempts: z
          .boolean()
          .default(false)
          .describe(
            "takes places of less urgent answers on embedded workers; these are parked and go on later",
          ),
      }),
    )
    .min(1)
    .max(BANDS_MAX)
    .default([
      { name: "high", weight: 4, sheddable: false, preempts: false },
      { name: "normal", weight: 2, sheddable: false, preempts: false },
      { name: "low", weight: 1, sheddable: true, preempts: false },
    ])
    .describe("from the most urgent on; `normal`, or else the first, takes what names none"),
  band_policy: policy.default("strict").describe("which band is next"),
  fairness: policy.default("vtc").describe("which flow of the band is next"),
  ordering: policy.default("fcfs").describe("which packet of the flow is next"),
  batching: policy.default("off").describe("whether packets wait for others to go with; `off` for not"),
  flow_by: z
    .enum(["tenant", "key", "header"])
    .default("tenant")
    .describe("what makes a flow; `header` only where clients may be trusted to say for whom they call"),
  header: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,63}$/, "give a header's name in small letters")
    .default("x-headgate-flow")
    .describe("names the flow where `flow_by` is `header`"),
  tenants: z.record(tenantName, flow).default({}),
  keys: z.record(keyName, flow).default({}),
});

const admission = z.strictObject({
  saturation: policy.default("utilisation").describe("how full the fleet is"),
  shedding: policy.default("none").describe("what that means for a request that comes now"),
  rates: z.record(name.meta({ title: "model" }), rate).default({}),
  tenant_rates: z.record(tenantName, rate).default({}),
  key_rates: z.record(keyName, rate).default({}),
});

const tail = z.strictObject({
  hedge: orOff(
    z.strictObject({
      percentile: z
        .number()
        .min(50)
        .max(99.99)
        .default(95)
        .describe(
          "a request that waits longer for its first token than so many in 100 did is sent once more",
        ),
      share_max: share.default(0.05).describe("of all requests"),
      samples_min: count.default(100).describe("times that have to be known of the model before"),
    }),
  )
    .prefault("off")
    .describe(
      "a second attempt beside a slow first one; the loser is cancelled, and what it used is paid for",
    ),
  backoff: z
    .strictObject({
      base: z
        .number()
        .min(0)
        .max(60)
        .default(0.05)
        .describe("before the first retry a packet waits up to so long, before each next twice as long"),
      max: z.number().min(0).max(600).default(2).describe("at most"),
    })
    .prefault({}),
  breaker: orOff(
    z.strictObject({
      failures: count.default(10).describe("so many in a row open it: the endpoint gets nothing"),
      successes: count.default(3).describe("so many close it again"),
      open: seconds.default(60).describe("until it is tried again"),
    }),
  )
    .prefault({})
    .describe("leaves an endpoint alone that keeps failing"),
  migration: z
    .boolean()
    .default(true)
    .describe("an answer whose worker dies goes on elsewhere from the token it had reached"),
});

/** The sections that decide how requests are scheduled; they may be replaced while requests run. */
export const schedulingShape = { placement, queue, admission, tail };
export const SECTIONS = Object.keys(schedulingShape) as readonly (keyof typeof schedulingShape)[];

/** Every setting of the four sections has a value: in the form of the file, so it can be given back as it is. */
export const schedulingSchema = z.strictObject({
  placement: placement.prefault({}),
  queue: queue.prefault({}),
  admission: admission.prefault({}),
  tail: tail.prefault({}),
});

export type SchedulingSettings = z.output<typeof schedulingSchema>;
export type PolicySetting = z.output<typeof policy>;
