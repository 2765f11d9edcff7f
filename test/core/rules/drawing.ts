import fc from "fast-check";
import { type Charge, NOTHING } from "../../../src/core/budget/charge.ts";
import { LIMIT_UNITS, type LimitRow, type Threshold } from "../../../src/core/budget/limits.ts";
import { type Micros, seconds } from "../../../src/core/units.ts";
import { CLOCK_CHANGES, type ClockChange } from "./windows.ts";

/** So deep a tree is drawn, the root counted in. */
const LEVELS_MAX = 6;
const ACCOUNTS_MAX = 9;
const DAY_US = seconds(86_400);

/** What is to be done next. `pick` chooses among what there is: accounts, open holds, posts in doubt, limits. */
export type Step =
  | { kind: "reserve" | "extend"; pick: number; charge: Charge; priority: string | null }
  /** Of each unit of the hold, so many per cent were used; more than 100 only where somebody bills beyond it. */
  | { kind: "post" | "adjust"; pick: number; percents: readonly number[] }
  | { kind: "void" | "doubt"; pick: number }
  | { kind: "limit"; pick: number; amount: string | null }
  | { kind: "wait"; us: Micros };

/** A tree, its limits, and what happens under them. */
export interface Scene {
  /** Each behind the one above it, from the root on. */
  accounts: readonly string[];
  clocks: ClockChange;
  limits: readonly LimitRow[];
  steps: readonly Step[];
}

/** Each further account is below one of those before it, more often than not below the last. */
const accounts: fc.Arbitrary<string[]> = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0), fc.nat(ACCOUNTS_MAX)), { maxLength: ACCOUNTS_MAX - 1 })
  .map((backs) => {
    const names = ["global"];
    for (const [i, back] of backs.entries()) {
      const mayHaveMore = names.filter((name) => name.split("/").length < LEVELS_MAX);
      names.push(`${mayHaveMore.at(-1 - (back % mayHaveMore.length))!}/a${i}`);
    }
    return names;
  });

export const charge: fc.Arbitrary<Charge> = fc
  .record({
    nanoUsd: fc.nat(100),
    inputTokens: fc.nat(50),
    outputTokens: fc.nat(50),
    requests: fc.nat(1),
    gpuUs: fc.nat(100),
  })
  .map((amounts) => ({ ...NOTHING, ...amounts }));

export const priority = fc.constantFrom(null, null, "high", "low");

const thresholds: fc.Arbitrary<Threshold[]> = fc.array(
  fc.oneof(
    fc.record({
      percent: fc.integer({ min: 1, max: 100 }),
      action: fc.constant("stop" as const),
      priority: fc.constant(null),
    }),
    fc.record({
      percent: fc.integer({ min: 1, max: 100 }),
      action: fc.constant("hold_low_priority" as const),
      priority: fc.constantFrom("high", "low"),
    }),
    fc.record({
      percent: fc.integer({ min: 1, max: 1_000 }),
      action: fc.constant("notify" as const),
      priority: fc.constant(null),
    }),
  ),
  { maxLength: 2 },
);

const amount: fc.Arbitrary<string> = fc.nat(400).map(String);
/** Null for no limit any more. */
const changed: fc.Arbitrary<string | null> = fc.option(amount);

export function limit(names: readonly string[], windows: readonly string[]): fc.Arbitrary<LimitRow> {
  return fc.record({
    account: fc.constantFrom(...names),
    unit: fc.constantFrom(...LIMIT_UNITS),
    window: fc.constantFrom(...windows),
    amount,
    thresholds: fc.oneof(
      { weight: 3, arbitrary: fc.constant<Threshold[]>([]) },
      { weight: 1, arbitrary: thresholds },
    ),
  });
}

/** Time goes on in steps of every size; now and then the machine's clock is set back. */
export const wait = fc.record({
  kind: fc.constant("wait" as const),
  us: fc.oneof(
    fc.integer({ min: 0, max: seconds(3) }),
    fc.integer({ min: 0, max: seconds(7_200) }),
    fc.integer({ min: 0, max: DAY_US }),
    fc.integer({ min: -seconds(3_600), max: 0 }),
  ),
});

const pick = fc.nat(20);

export function percents(most: number): fc.Arbitrary<number[]> {
  return fc.array(fc.nat(most), { minLength: 5, maxLength: 5 });
}

/** Which kinds of steps, and how often each. */
export type Weights = Partial<Record<Step["kind"] | "overage", number>>;

const USUAL: Required<Weights> = {
  reserve: 6,
  extend: 3,
  post: 3,
  overage: 1,
  void: 1,
  doubt: 1,
  adjust: 1,
  limit: 1,
  wait: 3,
};

function step(weights: Required<Weights>): fc.Arbitrary<Step> {
  const taken = { pick, charge, priority };
  const arbitraries: Record<keyof Weights, fc.Arbitrary<Step>> = {
    reserve: fc.record({ kind: fc.constant("reserve" as const), ...taken }),
    extend: fc.record({ kind: fc.constant("extend" as const), ...taken }),
    post: fc.record({ kind: fc.constant("post" as const), pick, percents: percents(100) }),
    overage: fc.record({ kind: fc.constant("post" as const), pick, percents: percents(300) }),
    void: fc.record({ kind: fc.constant("void" as const), pick }),
    doubt: fc.record({ kind: fc.constant("doubt" as const), pick }),
    adjust: fc.record({ kind: fc.constant("adjust" as const), pick, percents: percents(150) }),
    limit: fc.record({ kind: fc.constant("limit" as const), pick, amount: changed }),
    wait,
  };
  const kinds = Object.keys(arbitraries) as (keyof Weights)[];
  return fc.oneof(...kinds.map((kind) => ({ weight: weights[kind], arbitrary: arbitraries[kind] })));
}

/** Trees of one to six levels, limits of every unit in windows of every kind, and steps in any order. */
export function scenes(
  options: { weights?: Weights; windows?: readonly string[] } = {},
): fc.Arbitrary<Scene> {
  const weights = { ...USUAL, ...options.weights };
  return fc.tuple(accounts, fc.constantFrom(...CLOCK_CHANGES)).chain(([names, clocks]) => {
    const { zone } = clocks.rules;
    const windows = options.windows ?? [
      "total",
      "total",
      "hour",
      "minute",
      "rolling:100",
      "day",
      `day@${zone}`,
    ];
    return fc.record({
      accounts: fc.constant(names),
      clocks: fc.constant(clocks),
      limits: fc.array(limit(names, windows), { minLength: 1, maxLength: 6 }),
      steps: fc.array(step(weights), { maxLength: 40, size: "max" }),
    });
  });
}
