import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InvariantViolation } from "../../src/core/assert.ts";
import { Accounts } from "../../src/core/budget/accounts.ts";
import { Budget } from "../../src/core/budget/budget.ts";
import { type Charge, least, NOTHING, plus } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { LIMIT_UNITS, LIMIT_WINDOWS, type LimitRow, type LimitUnit } from "../../src/core/budget/limits.ts";
import { type Micros, seconds } from "../../src/core/units.ts";

const ACCOUNTS = ["global", "global/a", "global/b", "global/a/x", "global/a/y"];
const DAY_US = seconds(86_400);

const charge: fc.Arbitrary<Charge> = fc.record({
  nanoUsd: fc.nat(100),
  inputTokens: fc.nat(50),
  outputTokens: fc.nat(50),
  requests: fc.nat(1),
});

type Step =
  | { kind: "reserve"; account: string; charge: Charge }
  | { kind: "extend" | "post"; pick: number; charge: Charge }
  | { kind: "void" | "doubt" | "adjust"; pick: number; charge: Charge }
  | { kind: "limit"; row: LimitRow }
  | { kind: "wait"; us: Micros };

const pick = fc.nat(20);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("reserve" as const),
      account: fc.constantFrom(...ACCOUNTS),
      charge,
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom("extend", "post", "void", "doubt", "adjust"),
      pick,
      charge,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("limit" as const),
      row: fc.record({
        account: fc.constantFrom(...ACCOUNTS),
        unit: fc.constantFrom(...LIMIT_UNITS),
        window: fc.constantFrom(...LIMIT_WINDOWS),
        amount: fc.option(fc.nat(300).map(String)),
      }),
    }),
  },
  // A clock that goes back stands still in the ledger.
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      us: fc.integer({ min: -DAY_US, max: DAY_US }),
    }),
  },
);

/** What everybody can check by hand: one line for each amount that counts, found by looking at all of them. */
interface Line {
  hold: string;
  account: string;
  day: number;
  charge: Charge;
}

/** Counts as slowly and as plainly as possible, for comparison. */
class PlainLedger {
  held: Line[] = [];
  posted: Line[] = [];
  readonly limits = new Map<string, LimitRow>();

  used(lines: readonly Line[], unit: LimitUnit, where: { account: string; day: number | null }): number {
    let sum = 0;
    for (const line of lines) {
      if (!`${line.account}/`.startsWith(`${where.account}/`)) continue;
      if (where.day !== null && line.day !== where.day) continue;
      sum += inUnit(unit, line.charge);
    }
    return sum;
  }

  hasRoom(account: string, more: Charge, day: number): boolean {
    return [...this.limits.values()].every(({ account: name, unit, window, amount }) => {
      if (amount === null || !`${account}/`.startsWith(`${name}/`)) return true;
      if (inUnit(unit, more) === 0) return true;
      const where = { account: name, day: window === "day" ? day : null };
      return this.used([...this.held, ...this.posted], unit, where) + inUnit(unit, more) <= Number(amount);
    });
  }

  /** The parts of a hold are used up in the order in which they were taken. */
  close(hold: string, used: Charge): void {
    const parts = this.held.filter((line) => line.hold === hold);
    this.held = this.held.filter((line) => line.hold !== hold);
    const left = { ...used };
    for (const [i, part] of parts.entries()) {
      const share: Charge = { ...NOTHING };
      for (const field of ["nanoUsd", "inputTokens", "outputTokens", "requests"] as const) {
        share[field] = i === parts.length - 1 ? left[field] : Math.min(left[field], part.charge[field]);
        left[field] -= share[field];
      }
      this.posted.push({ ...part, charge: share });
    }
  }
}

function inUnit(unit: LimitUnit, { nanoUsd, inputTokens, outputTokens, requests }: Charge): number {
  switch (unit) {
    case "usd":
      return nanoUsd;
    case "tokens":
      return inputTokens + outputTokens;
    case "input_tokens":
      return inputTokens;
    case "output_tokens":
      return outputTokens;
    case "requests":
      return requests;
  }
}

/** Plays steps on a budget and on the plain ledger. */
class Play {
  readonly budget = new Budget();
  readonly entries: LedgerEntry[] = [];
  readonly #plain = new PlainLedger();
  readonly #open: { id: string; account: string; charge: Charge }[] = [];
  readonly #inDoubt: { id: string; charge: Charge; line: Line }[] = [];
  #nowUs: Micros = seconds(1_000_000_000);
  #ledgerUs: Micros = 0;
  #ids = 0;

  do(each: Step): void {
    switch (each.kind) {
      case "wait":
        this.#nowUs += each.us;
        return;
      case "limit": {
        const { account, unit, window } = each.row;
        this.#plain.limits.set(`${account} ${unit} ${window}`, each.row);
        this.budget.setLimits([each.row]);
        return;
      }
      case "reserve":
        return this.#reserve(each);
      case "adjust":
        return this.#adjust(each);
      default: {
        const index = each.pick % Math.max(1, this.#open.length);
        const hold = this.#open[index];
        if (hold === undefined) return;
        if (each.kind === "extend") return this.#extend(hold, each.charge);
        this.#open.splice(index, 1);
        return this.#close(hold, each);
      }
    }
  }

  check(): void {
    const day = Math.floor(this.#clock() / DAY_US);
    for (const account of ACCOUNTS) {
      const rows = [...this.#plain.limits.values()].filter(
        (row) => row.account === account && row.amount !== null,
      );
      const told = this.budget.remainders(account, this.#nowUs).filter((one) => one.account === account);
      assert.equal(told.length, rows.length);
      for (const { limit, posted, held, remaining } of told) {
        const where = { account, day: limit.window === "day" ? day : null };
        assert.equal(posted, BigInt(this.#plain.used(this.#plain.posted, limit.unit, where)), account);
        assert.equal(held, BigInt(this.#plain.used(this.#plain.held, limit.unit, where)), account);
        assert.equal(remaining, limit.amount - posted - held);
      }
    }
  }

  #reserve({ account, charge: wanted }: { account: string; charge: Charge }): void {
    const id = `h${this.#ids++}`;
    const day = this.#today();
    const fits = this.#plain.hasRoom(account, wanted, day);
    assert.equal(this.budget.fits(account, wanted, this.#nowUs), fits);
    const result = this.budget.reserve({ id, account, charge: wanted, nowUs: this.#nowUs });
    assert.equal("sequence" in result, fits, "all or nothing");
    if (!("sequence" in result)) return;
    this.#record(result);
    this.#open.push({ id, account, charge: wanted });
    this.#plain.held.push({ hold: id, account, day, charge: wanted });
  }

  #extend(hold: { id: string; account: string; charge: Charge }, more: Charge): void {
    const day = this.#today();
    const fits = this.#plain.hasRoom(hold.account, more, day);
    const result = this.budget.extend(hold.id, more, this.#nowUs);
    assert.equal("sequence" in result, fits, "all or nothing");
    if (!("sequence" in result)) return;
    this.#record(result);
    hold.charge = plus(hold.charge, more);
    this.#plain.held.push({ hold: hold.id, account: hold.account, day, charge: more });
  }

  #close(
    { id, account, charge: held }: { id: string; account: string; charge: Charge },
    { kind, charge: used }: { kind: Step["kind"]; charge: Charge },
  ): void {
    const first = this.#plain.held.find((line) => line.hold === id)!;
    this.#plain.close(id, kind === "post" ? used : kind === "void" ? NOTHING : held);
    const nowUs = this.#nowUs;
    if (kind === "post") {
      const entry = this.budget.post(id, used, nowUs);
      this.#record(entry);
      const over = {
        nanoUsd: Math.max(0, used.nanoUsd - held.nanoUsd),
        inputTokens: Math.max(0, used.inputTokens - held.inputTokens),
        outputTokens: Math.max(0, used.outputTokens - held.outputTokens),
        requests: Math.max(0, used.requests - held.requests),
      };
      const isOver = Object.values(over).some((amount) => amount > 0);
      assert.deepEqual(entry.overage, isOver ? over : null, "an overage is exactly what exceeds the hold");
    } else if (kind === "void") {
      this.#record(this.budget.void(id, nowUs));
    } else {
      this.#record(this.budget.postInDoubt(id, nowUs));
      this.#inDoubt.push({ id, charge: held, line: { ...first, account } });
    }
  }

  /** Counts in the window in which the hold was made. */
  #adjust({ charge: used }: { charge: Charge }): void {
    const doubtful = this.#inDoubt.pop();
    if (doubtful === undefined) return assert.equal(this.budget.adjust("never", used, this.#nowUs), null);
    const entry = this.budget.adjust(doubtful.id, used, this.#nowUs);
    assert(entry !== null);
    this.#record(entry);
    assert.equal(this.budget.adjust(doubtful.id, used, this.#nowUs), null, "once");
    // Nobody has used more than was held.
    const credible = least(used, doubtful.charge);
    this.#plain.posted.push({ ...doubtful.line, charge: plus(credible, negative(doubtful.charge)) });
  }

  #record(entry: LedgerEntry): void {
    assert.equal(entry.atUs, this.#clock());
    this.entries.push(entry);
  }

  #clock(): Micros {
    this.#ledgerUs = Math.max(this.#nowUs, this.#ledgerUs);
    return this.#ledgerUs;
  }

  #today(): number {
    return Math.floor(this.#clock() / DAY_US);
  }
}

function negative({ nanoUsd, inputTokens, outputTokens, requests }: Charge): Charge {
  return { nanoUsd: -nanoUsd, inputTokens: -inputTokens, outputTokens: -outputTokens, requests: -requests };
}

const steps = fc.array(step, { maxLength: 60, size: "max" });

test("reserve and extend succeed exactly when every limit from the root down has room, and balances are what plain counting says", () => {
  fc.assert(
    fc.property(steps, (all) => {
      const play = new Play();
      for (const each of all) {
        play.do(each);
        play.check();
      }
    }),
    { numRuns: 300 },
  );
});

test("the entries alone give the same balances, from the beginning or from any summary", () => {
  fc.assert(
    fc.property(steps, fc.nat(59), (all, cut) => {
      const play = new Play();
      for (const each of all) play.do(each);
      const whole = new Accounts();
      const before = new Accounts();
      for (const [i, entry] of play.entries.entries()) {
        whole.apply(entry);
        if (i < cut) before.apply(entry);
      }
      const summary = new Accounts(before.state);
      for (const entry of play.entries.slice(cut)) summary.apply(entry);
      const accounts = [...new Set(play.entries.map(({ account }) => account))];
      assert.deepEqual([...summary.holds], [...whole.holds]);
      for (const name of accounts) assert.deepEqual(summary.rowsOf(name), whole.rowsOf(name));
      if (cut === 0) assert.deepEqual([...summary.names], [...whole.names]);
    }),
  );
});

test("a hold is taken once and closed once", () => {
  const budget = new Budget();
  const options = { id: "h", account: "global/a", charge: { ...NOTHING, outputTokens: 5 }, nowUs: 0 };
  budget.reserve(options);
  assert.throws(() => budget.reserve(options), InvariantViolation);
  budget.post("h", NOTHING, 0);
  assert.throws(() => budget.post("h", NOTHING, 0), InvariantViolation);
  assert.throws(() => budget.void("h", 0), InvariantViolation);
  assert.throws(() => budget.extend("h", NOTHING, 0), InvariantViolation);
});

test("a billion USD is counted to the nano-USD", () => {
  const budget = new Budget();
  const limit = 10n ** 18n;
  budget.setLimits([{ account: "global", unit: "usd", window: "total", amount: String(limit) }]);
  const million = { ...NOTHING, nanoUsd: 1_000_000_000_000_000 };
  for (let i = 0; i < 999; i++) {
    budget.reserve({ id: `h${i}`, account: "global/a", charge: million, nowUs: 0 });
    budget.post(`h${i}`, million, 0);
  }
  const last = { ...million, nanoUsd: million.nanoUsd - 1 };
  assert("sequence" in budget.reserve({ id: "last", account: "global/a", charge: last, nowUs: 0 }));
  assert.equal(budget.remainders("global/a", 0)[0]!.remaining, 1n);
  const two = budget.reserve({
    id: "two",
    account: "global/a",
    charge: { ...NOTHING, nanoUsd: 2 },
    nowUs: 0,
  });
  assert("limit" in two);
  const one = budget.reserve({
    id: "one",
    account: "global/a",
    charge: { ...NOTHING, nanoUsd: 1 },
    nowUs: 0,
  });
  assert("sequence" in one);
});
