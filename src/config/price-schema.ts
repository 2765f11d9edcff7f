import { z } from "zod";
import { NANO_PER_USD, type NanoUsd, parseUsd, type Price, type TieredRates } from "../core/budget/money.ts";
import { MICROS_PER_MILLI, type Micros } from "../core/units.ts";
import { parseRatio, type Ratio } from "../prices/ratio.ts";
import { priceProblems } from "./price-check.ts";
import { problemsOf } from "./problem.ts";
import { count, name } from "./scheduling-schema.ts";

/** Decimal digits that a YAML number keeps. */
const NUMBER_DIGITS_MAX = 15;
const NANO_USD_MAX = 1_000_000n * NANO_PER_USD;
const PRICES_MAX = 64;
const TIERS_MAX = 8;
const TOKENS_PER_SECOND_MAX = 1_000_000_000;
const GPUS_MAX = 100_000;

const ROUNDED = "a number this long is rounded: write it in quotes";

/** A number as text, unless YAML has rounded it. */
function exactText(given: number | string): string | null {
  const text = String(given);
  return typeof given === "string" || significantDigits(text) <= NUMBER_DIGITS_MAX ? text : null;
}

function significantDigits(number: string): number {
  return number.replace(/e.*$/i, "").replace(/\D/g, "").replace(/^0+/, "").length;
}

/** USD as a decimal, exact to the nano-USD: a number, or text where a number would be rounded. */
const usd = z
  .union([z.number(), z.string()], "give USD as a decimal, such as 0.15")
  .transform((given, context): NanoUsd => {
    const text = exactText(given);
    const nanoUsd = parseUsd(text ?? "");
    if (nanoUsd !== null && nanoUsd <= NANO_USD_MAX) return Number(nanoUsd);
    const advice =
      "give USD as a decimal, such as 0.15, at most a million and with at most 9 digits after the point";
    context.addIssue({ code: "custom", message: text === null ? ROUNDED : advice });
    return z.NEVER;
  });

/** A number above 0 that is reckoned with exactly. */
function decimal(what: string, most: number): z.ZodType<Ratio, number | string> {
  const message = `give ${what}, above 0 and at most ${most}`;
  return z.union([z.number(), z.string()], message).transform((given, context): Ratio => {
    const text = exactText(given);
    const ratio = parseRatio(text ?? "");
    if (ratio !== null && ratio.numerator > 0n && Number(given) <= most) return ratio;
    context.addIssue({ code: "custom", message: text === null ? ROUNDED : message });
    return z.NEVER;
  });
}

/** A day in UTC, or an instant. */
export const instantSchema = z
  .union(
    [z.iso.date(), z.iso.datetime({ offset: true })],
    "give a day or an instant, such as 2026-12-01 or 2026-12-01T08:00:00Z",
  )
  .transform((text): Micros => Date.parse(text) * MICROS_PER_MILLI)
  .meta({ typeName: "date or instant" });

const rates = {
  input: usd.describe("USD for a million tokens of prompt, such as `0.15`"),
  output: usd.describe("USD for a million generated tokens"),
  cached_input: usd
    .optional()
    .describe("USD for a million tokens of prompt found in a cache; as `input` if absent"),
  reasoning: usd
    .optional()
    .describe("USD for a million generated tokens that were thought and not said; as `output` if absent"),
};

const tiers = {
  ...rates,
  long_context: z
    .array(
      z.strictObject({
        above: count.describe("tokens of prompt above which all tokens of a request have these prices"),
        ...rates,
      }),
    )
    .max(TIERS_MAX)
    .optional(),
};

const from = instantSchema
  .optional()
  .describe("when the price comes into force, in UTC; always, if absent. A model may have a list of prices");
const request = usd.prefault(0).describe("USD for each request, whatever its length");

const tokenPrice = z.strictObject({
  from,
  ...tiers,
  request,
  batch: z.strictObject(tiers).optional(),
});

const gpuPrice = z
  .strictObject({
    from,
    gpu_hour: usd.describe("instead of `input` and `output`: USD for an hour of one GPU"),
    gpus: decimal("the number of GPUs", GPUS_MAX).prefault(1).describe("GPUs of one worker"),
    utilisation: decimal("the share of paid time in which the GPUs work, such as 0.6", 1).describe(
      "share of the paid time in which they work",
    ),
    prefill_tokens_per_second: decimal("tokens a second", TOKENS_PER_SECOND_MAX)
      .optional()
      .describe("of prompts, while a worker reads"),
    decode_tokens_per_second: decimal("tokens a second", TOKENS_PER_SECOND_MAX)
      .optional()
      .describe("of all answers together, while a worker writes"),
    throughput: z
      .string()
      .min(1)
      .optional()
      .describe("instead of those two: an engine profile, or a file that `headgate calibrate` wrote"),
    prompt_tokens: count.default(1_024).describe("of a usual prompt, where `throughput` is given"),
    output_tokens: count.default(256).describe("of a usual answer, where `throughput` is given"),
    cached_input: rates.cached_input,
    request,
  })
  .superRefine((given, context) => {
    const { throughput, prefill_tokens_per_second: prefill, decode_tokens_per_second: decode } = given;
    const rateNames = ["prefill_tokens_per_second", "decode_tokens_per_second"] as const;
    for (const rate of rateNames) {
      const isGiven = given[rate] !== undefined;
      if (throughput !== undefined && isGiven) {
        context.addIssue({ code: "custom", path: [rate], message: "give this or throughput, not both" });
      }
      if (throughput === undefined && !isGiven && (prefill !== undefined || decode !== undefined)) {
        context.addIssue({ code: "custom", path: [rate], message: "give tokens a second" });
      }
    }
    if (throughput !== undefined || prefill !== undefined || decode !== undefined) return;
    const message = `give ${rateNames.join(" and ")}, or the throughput of an engine profile`;
    context.addIssue({ code: "custom", path: ["throughput"], message });
  });

export type GpuSetting = z.output<typeof gpuPrice>;

/** A price as it is configured; `fromUs` is 0 where it has always been in force. */
export type PriceSetting = { fromUs: Micros } & (
  | { kind: "tokens"; price: Price }
  | { kind: "gpu"; gpu: GpuSetting }
);

/** What an entry of `prices` says: one price, or a list of them. */
export const priceSchema = z
  .unknown()
  .transform((given, context): PriceSetting[] => {
    const settings = asList(given).map((each, i) => {
      const setting = readSetting(each);
      if (!Array.isArray(setting)) return setting;
      const keys = Array.isArray(given) ? [i] : [];
      for (const { keys: inner, message } of setting) {
        context.addIssue({ code: "custom", path: [...keys, ...inner], message });
      }
      return z.NEVER;
    });
    if (context.issues.length > 0) return z.NEVER;
    for (const { keys, message } of listProblems(settings))
      context.addIssue({ code: "custom", path: keys, message });
    return settings.toSorted((a, b) => a.fromUs - b.fromUs);
  })
  .meta(settingsOf(gpuPrice, tokenPrice));

/** One price for whatever has none of its own. */
export const defaultPriceSchema = z
  .strictObject({ ...rates, request })
  .superRefine((given, context) => {
    for (const { keys, message } of priceProblems(toPrice(given))) {
      context.addIssue({ code: "custom", path: keys, message });
    }
  })
  .transform(toPrice);

/** A file of prices: the setting `price_catalogue` names one. */
export const catalogueSchema = z.strictObject({ prices: z.record(name, priceSchema).default({}) });

/** A setting, or what is wrong with it. */
function readSetting(given: unknown): PriceSetting | ReturnType<typeof priceProblems> {
  const isGpu = typeof given === "object" && given !== null && "gpu_hour" in given;
  if (isGpu) {
    const { error, data } = gpuPrice.safeParse(given);
    return error ? problemsOf(error.issues) : { kind: "gpu", fromUs: data.from ?? 0, gpu: data };
  }
  const { error, data } = tokenPrice.safeParse(given);
  if (error) return problemsOf(error.issues);
  const price = toPrice(data);
  const problems = priceProblems(price);
  return problems.length > 0 ? problems : { kind: "tokens", fromUs: data.from ?? 0, price };
}

function asList(given: unknown): unknown[] {
  return Array.isArray(given) ? given : [given];
}

function listProblems(settings: readonly PriceSetting[]): { keys: PropertyKey[]; message: string }[] {
  if (settings.length === 0) return [{ keys: [], message: "give a price" }];
  if (settings.length > PRICES_MAX) return [{ keys: [], message: `give at most ${PRICES_MAX} prices` }];
  return settings.flatMap(({ fromUs }, i) => {
    if (settings.findIndex((other) => other.fromUs === fromUs) === i) return [];
    const message =
      fromUs === 0 ? "say from when it is in force: another is as well" : "another begins at that instant";
    return [{ keys: [i, ...(fromUs === 0 ? [] : ["from"])], message }];
  });
}

type TierSettings = z.output<z.ZodObject<typeof tiers>>;

function toPrice({
  request: perRequest,
  batch,
  ...tiered
}: TierSettings & { request: NanoUsd; batch?: TierSettings | undefined }): Price {
  return {
    ...toTiers(tiered),
    request: perRequest,
    ...(batch === undefined ? {} : { batch: toTiers(batch) }),
  };
}

function toTiers({ long_context: longContext, ...base }: TierSettings): TieredRates {
  return {
    ...toRates(base),
    ...(longContext === undefined
      ? {}
      : { longContext: longContext.map(({ above, ...each }) => ({ aboveTokens: above, ...toRates(each) })) }),
  };
}

function toRates({
  input,
  output,
  cached_input: cachedInput = input,
  reasoning,
}: z.output<z.ZodObject<typeof rates>>): TieredRates {
  return { input, cachedInput, output, ...(reasoning === undefined ? {} : { reasoning }) };
}

/** What the reference lists of an entry, which either of them may be; a transform alone would tell nothing. */
function settingsOf(...schemas: z.ZodObject[]): { properties: object } {
  const listed = schemas.map((schema) => z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }));
  return { properties: Object.assign({}, ...listed.map(({ properties }) => properties)) as object };
}
