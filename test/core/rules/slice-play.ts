import fc from "fast-check";
import { Budget } from "../../../src/core/budget/budget.ts";
import type { Shortage } from "../../../src/core/budget/shortage.ts";
import { type Charge, NOTHING } from "../../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../../src/core/budget/ledger-entry.ts";
import type { LimitRow } from "../../../src/core/budget/limits.ts";
import type { Micros } from "../../../src/core/units.ts";
import { charge, limit, percents, priority, wait } from "./drawing.ts";
import { rankOf } from "./play.ts";
import { partsOf, SliceBook } from "./slice-book.ts";
import { CLOCK_CHANGES, type ClockChange } from "./windows.ts";

/** `pick` chooses among accounts, sub-accounts and what is below them, or among open holds. */
export type SliceStep =
  | { kind: "open"; pick: number; charge: Charge; priority: string | null }
  | { kind: "reserve" | "extend"; pick: number; charge: Charge; priority: string | null }
  | { kind: "post"; pick: number; percents: readonly number[] }
  | { kind: "void" | "doubt" | "close"; pick: number }
  | { kind: "wait"; us: Micros };

export interface SliceScene {
  clocks: ClockChange;
  limits: readonly LimitRow[];
  steps: readonly SliceStep[];
}

const ACCOUNTS = ["global", "global/a", "global/a/k"];
const WINDOWS = ["total", "total", "hour", "minute", "rolling:100", "day"];
/** The latest more often than others: what happens below slices is what this is about. */
const pick = fc.oneof(fc.nat(3), fc.nat(30));

/** Slices of every size, so that several charges fit into one, and slices into slices. */
const amounts = scaled(1, 4, 20);
const small = scaled(0.1, 1);

function scaled(...factors: number[]): fc.Arbitrary<Charge> {
  return fc.tuple(charge, fc.constantFrom(...factors)).map(([drawn, factor]) => ({
    ...NOTHING,
    nanoUsd: Math.ceil(drawn.nanoUsd * factor),
    requests: Math.ceil(drawn.requests * factor),
    inputTokens: Math.ceil(drawn.inputTokens * factor),
    outputTokens: Math.ceil(drawn.outputTokens * factor),
  }));
}

/** Tight ones, and those that have room for many slices. */
const someLimits = fc
  .array(limit([...ACCOUNTS, "global/a/k/s3"], WINDOWS), { maxLength: 3 })
  .chain((rows) => {
    return fc.constantFrom(1, 8).map((times) => {
      return rows.map((row) => ({ ...row, amount: `${Number(row.amount) * times}` }));
    });
  });

const step: fc.Arbitrary<SliceStep> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("open" as const), pick, charge: amounts, priority }),
  },
  {
    weight: 7,
    arbitrary: fc.record({ kind: fc.constant("reserve" as const), pick, charge: small, priority }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("extend" as const), pick, charge: small, priority }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("post" as const), pick, percents: percents(100) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("post" as const), pick, percents: percents(200) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("void" as const, "doubt" as const, "close" as const),
      pick,
    }),
  },
  { weight: 2, arbitrary: wait },
);

function scenesOf(parts: {
  limits: fc.Arbitrary<LimitRow[]>;
  steps: fc.Arbitrary<SliceStep[]>;
}): fc.Arbitrary<SliceScene> {
  return fc.record({ clocks: fc.constantFrom(...CLOCK_CHANGES), ...parts });
}

export const sliceScenes = scenesOf({
  limits: someLimits,
  steps: fc.array(step, { maxLength: 40, size: "max" }),
});

const taken = { pick, charge: small, priority: fc.constant(null) };

/** Slices are opened, time goes by, and then others and they themselves take what the next window has. */
export const laterScenes = scenesOf({
  limits: fc
    .array(limit(ACCOUNTS, ["minute", "hour", "rolling:100"]), { minLength: 1, maxLength: 2 })
    .map((rows) => rows.map((row) => ({ ...row, thresholds: [] }))),
  steps: fc
    .tuple(
      fc.array(fc.record({ kind: fc.constant("open" as const), ...taken, charge: amounts }), {
        maxLength: 6,
      }),
      wait,
      fc.array(fc.record({ kind: fc.constant("reserve" as const), ...taken }), {
        maxLength: 20,
        size: "max",
      }),
    )
    .map(([opened, waited, reserved]) => [...opened, waited, ...reserved]),
});

/** What is about to be taken: for whom, and, where it is a slice, in what name. */
export interface Taking {
  account: string;
  charge: Charge;
  priority: string | null;
  slice: string | null;
  hold: string;
}

/** Plays a scene on a budget with slices, and writes down what the budget says that it has done. It judges nothing. */
export class SlicePlay {
  readonly budget = new Budget(undefined, rankOf);
  readonly book = new SliceBook();
  readonly entries: LedgerEntry[] = [];
  /** Accounts, sub-accounts whether open or not, and one below each of those. */
  readonly names = [...ACCOUNTS];
  readonly open: { hold: string; account: string }[] = [];
  readonly #rules;
  #nowUs: Micros;
  #clockUs: Micros;
  #count = 0;

  constructor({ clocks, limits }: SliceScene) {
    this.#rules = clocks.rules;
    this.#nowUs = this.#clockUs = clocks.startUs;
    for (const row of limits) this.book.setLimit(row);
    this.budget.setLimits(limits, { zones: [this.#rules], used: [], through: 0 });
    this.#wait(0);
  }

  get clockUs(): Micros {
    return this.#clockUs;
  }

  get nowUs(): Micros {
    return this.#nowUs;
  }

  /** `judge` is told what would be taken, before and after. */
  step(drawn: SliceStep, judge: (taking: Taking, result: () => LedgerEntry | Shortage) => void): void {
    if (drawn.kind === "wait") return this.#wait(drawn.us);
    if (drawn.kind === "close") return this.#close(drawn.pick);
    if (drawn.kind === "open" || drawn.kind === "reserve" || drawn.kind === "extend") {
      const taking = this.#taking(drawn);
      if (taking !== null) judge(taking, () => this.#take(drawn.kind, taking));
      return;
    }
    const held = picked(this.open, drawn.pick);
    if (held === null) return;
    this.open.splice(this.open.indexOf(held), 1);
    const whole = { ...NOTHING, ...this.book.heldBy(held.hold) };
    const used = drawn.kind === "post" ? shareOf(whole, drawn.percents) : whole;
    const { budget, nowUs } = this;
    const { hold } = held;
    if (drawn.kind === "void") this.entries.push(budget.void(hold, nowUs));
    else
      this.entries.push(
        drawn.kind === "post" ? budget.post(hold, used, nowUs) : budget.postInDoubt(hold, nowUs),
      );
    this.book.close(hold, drawn.kind === "void" ? NOTHING : used);
  }

  #taking({ kind, pick: at, ...asked }: Extract<SliceStep, { charge: Charge }>): Taking | null {
    const hold = `h${this.#count++}/0:0`;
    if (kind === "extend") {
      const held = picked(this.open, at);
      return held === null ? null : { ...asked, ...held, slice: null };
    }
    const account = picked(this.names, at)!;
    if (kind === "reserve") return { ...asked, account, hold, slice: null };
    const isOfNothing = Object.values(partsOf(asked.charge)).every((amount) => amount === 0);
    return isOfNothing ? null : { ...asked, account, hold, slice: `${account}/s${this.names.length}` };
  }

  #take(
    kind: "open" | "reserve" | "extend",
    { account, hold, slice, ...asked }: Taking,
  ): LedgerEntry | Shortage {
    const { budget, nowUs, clockUs: atUs } = this;
    const amounts_ = asked.charge;
    const result =
      slice !== null
        ? budget.openSlice(
            { account: slice, expiresUs: 1, amounts: amounts_, priority: asked.priority },
            nowUs,
          )
        : kind === "extend"
          ? budget.extend(hold, asked, nowUs)
          : budget.reserve({ id: hold, model: "m" }, { account, ...asked }, nowUs);
    if ("limit" in result) return result;
    this.entries.push(result);
    if (slice !== null) {
      this.book.open({ id: result.hold, account: slice, atUs, amounts: partsOf(amounts_) });
      this.names.push(slice, `${slice}/run`);
      return result;
    }
    this.book.hold({ hold, account, atUs, charge: amounts_ });
    if (kind === "reserve") this.open.push({ hold, account });
    return result;
  }

  #close(at: number): void {
    const slice = picked(this.book.slices, at);
    if (slice === null) return;
    this.entries.push(...this.budget.closeSlices(slice.account, this.#nowUs));
    this.book.closeSlices(slice.account);
  }

  /** The ledger's clock is one that is looked at: no instant goes by unseen. */
  #wait(us: Micros): void {
    this.#nowUs += us;
    this.budget.remainders("global", this.#nowUs);
    this.#clockUs = Math.max(this.#clockUs, this.#nowUs);
  }
}

function picked<T>(from: readonly T[], at: number): T | null {
  return from.at(-1 - (at % Math.max(1, from.length))) ?? null;
}

function shareOf(held: Charge, shares: readonly number[]): Charge {
  const [usd, input, output, requests] = shares.map((percent) => percent / 100);
  return {
    ...NOTHING,
    nanoUsd: Math.floor(held.nanoUsd * usd!),
    inputTokens: Math.floor(held.inputTokens * input!),
    outputTokens: Math.floor(held.outputTokens * output!),
    requests: Math.floor(held.requests * requests!),
  };
}
