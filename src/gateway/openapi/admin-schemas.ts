import { z } from "zod";
import { AMOUNT_COLUMNS } from "../../administration/chargeback-csv.ts";
import { LIMIT_UNITS, THRESHOLD_ACTIONS } from "../../core/budget/limits.ts";
import { WINDOW_FORMS } from "../../core/budget/windows.ts";
import { KEY_ROLES } from "../../keys/key-table.ts";

const THRESHOLDS_MAX = 16;
const LIMITS_MAX = 32;

const count = z.int().min(0);
const account = z.string().describe("path from the root, such as `global/acme/research`");
const unit = z.enum(LIMIT_UNITS);
const window = z.string().describe(WINDOW_FORMS);
const decimal = z.string().describe("a decimal in the limit's unit");
const usd = z.string().describe("USD as an exact decimal");
const gpuSeconds = z.string().describe("time of GPUs in seconds, as an exact decimal");
const nextOffset = count.nullable().describe("where the next part of the list begins; null at its end");
const secret = z.string().describe("shown this once");
const instant = z.iso.datetime();

export const threshold = z.strictObject({
  percent: z.int().min(1).max(1_000),
  action: z.enum(THRESHOLD_ACTIONS),
  priority: z
    .string()
    .nullable()
    .optional()
    .describe("the least urgent band that `hold_low_priority` lets through"),
  max_tokens: z
    .int()
    .min(1)
    .optional()
    .describe("the most generated tokens of an answer that begins, for `shorten`"),
});

export const limitTerms = z.strictObject({
  unit: z.string().describe(LIMIT_UNITS.join(", ")),
  amount: z
    .union([z.string(), z.number()], "give a decimal as text, or a number")
    .describe("USD, or a count"),
  window: z.string().optional().describe(`${WINDOW_FORMS}; \`total\` if absent`),
  zone: z.string().optional().describe("time zone of a day, week or month, where the window names none"),
  thresholds: z.array(threshold).max(THRESHOLDS_MAX).optional(),
});

export const limitBody = z.strictObject({ account: z.string(), ...limitTerms.shape });

export const newKeyBody = z.strictObject({
  account: z.string().describe("of the key itself, such as `acme/research/alice`"),
  role: z
    .string()
    .optional()
    .describe(`${KEY_ROLES.join(", ")}; \`spend\` if absent`),
  limits: z.array(limitTerms).max(LIMITS_MAX).optional(),
});

export const limit = z.strictObject({
  account,
  unit,
  window,
  limit: decimal.nullable().describe("null where it was removed"),
  thresholds: z.array(threshold),
});

export const budgetList = z.strictObject({
  budgets: z.array(
    z.strictObject({
      account,
      unit,
      window,
      limit: decimal.nullable().describe("null for what was spent without a limit"),
      used: decimal,
      held: decimal,
      remaining: decimal.nullable(),
      resets: instant.nullable(),
      thresholds: z.array(threshold),
    }),
  ),
  next_offset: nextOffset,
});

export const keyList = z.strictObject({
  keys: z.array(
    z.strictObject({
      account,
      role: z.enum(KEY_ROLES),
      secret: z.string().describe("its first characters"),
      status: z.enum(["enabled", "disabled"]),
      created: instant,
    }),
  ),
  next_offset: nextOffset,
});

export const newKey = z.strictObject({ account, role: z.enum(KEY_ROLES), secret });
export const rotatedKey = z.strictObject({ account, secret });
export const switchedKey = z.strictObject({ account, status: z.enum(["enabled", "disabled"]) });

export const accountList = z.strictObject({
  accounts: z.array(
    z.strictObject({
      account,
      level: z.enum(["root", "tenant", "project", "key", "agent", "task"]),
      limits: count,
      used_usd: usd,
      held_usd: usd,
      requests: count,
      input_tokens: count,
      output_tokens: count,
      gpu_seconds: gpuSeconds,
    }),
  ),
  next_offset: nextOffset,
});

export const alertList = z.strictObject({
  alerts: z.array(
    z.strictObject({
      id: count,
      at: instant,
      account,
      unit,
      window,
      window_start: instant.nullable(),
      percent: count,
      limit: decimal,
      posted: decimal,
      delivery: z.enum(["delivered", "waiting", "given up"]),
      attempts: count,
    }),
  ),
  next_offset: nextOffset,
});

const limitState = z.strictObject({ limit: decimal, thresholds: z.array(threshold) }).nullable();

export const limitHistory = z.strictObject({
  history: z.array(
    z.strictObject({
      at: instant,
      by: z.string(),
      account,
      unit,
      window,
      before: limitState,
      after: limitState,
    }),
  ),
  next_offset: nextOffset,
});

const DECIMALS: Partial<Record<(typeof AMOUNT_COLUMNS)[number], z.ZodString>> = {
  usd,
  in_doubt_usd: usd,
  in_doubt_gpu_seconds: gpuSeconds,
  gpu_seconds: gpuSeconds,
};
const amounts = Object.fromEntries(AMOUNT_COLUMNS.map((column) => [column, DECIMALS[column] ?? count]));
const name = z.string().nullable().optional();

export const chargebackReport = z.strictObject({
  account,
  zone: z.string(),
  from: z.string().describe("the first instant that counts"),
  until: z.string().describe("the one after the last"),
  by: z.array(z.string()),
  lines: z.array(
    z.strictObject({
      tenant: name,
      project: name,
      key: name,
      agent: name,
      task: name,
      model: name,
      day: name,
      ...amounts,
    }),
  ),
  total: z.strictObject(amounts),
});
