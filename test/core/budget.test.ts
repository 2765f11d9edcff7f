import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InvariantViolation } from "../../src/core/assert.ts";
import { Accounts, type BalanceRow, EMPTY_LEDGER } from "../../src/core/budget/accounts.ts";
import { type Asked, Budget } from "../../src/core/budget/budget.ts";
import { Calendar, type ZoneRules } from "../../src/core/budget/calendar.ts";
import { type Charge, least, minus, NOTHING, plus } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import type { Known } from "../../src/core/budget/limited-accounts.ts";
import { LIMIT_UNITS, type LimitRow, type LimitUnit } from "../../src/core/budget/limits.ts";
import { type Micros, seconds } from "../../src/core/units.ts";

const ACCOUNTS = ["global", "global/a", "global/b", "global/a/x", "global/a/y"];
const DAY_US = seconds(86_400);
const START_US = seconds(1_000_000_000);
/** Clocks go forward by an hour on the third day, at two in the morning. */
const ZONE: ZoneRules = {
  zone: "Some/Where",
  offsets: [
    { fromUs: 0, aheadUs: seconds(3_600) },
    { fromUs: Math.floor(START_US / DAY_US) * DAY_US + 3 * DAY_US + seconds(3_600), aheadUs: seconds(7_200) },
  ],
};
const WINDOWS = ["total", "day", "minute", "month", "rolling:100", `day@${ZONE.zone}`];
const TRACKED = ACCOUNTS.flatMap((account) => {
  return WINDOWS.filter((window) => window !== "total").map((window) => ({ account, window }));
});

const charge: fc.Arbitrary<Charge> = fc.record({
  nanoUsd: fc.nat(100),
  inputTokens: fc.nat(50),
  cachedTokens: fc.constant(0),
  outputTokens: fc.nat(50),
  reasoningTokens: fc.constant(0),
  gpuUs: fc.nat(200),
  requests: fc.nat(1),
});

type Step =
  | { kind: "reserve"; account: string; charge: Charge }
  | { kind: "extend" | "post"; pick: number; charge: Charge }
  | { kind: "void" | "doubt" | "adjust"; pick: number; charge: Charge }
  | { kind: "limit"; row: LimitRow; share: number }
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
        window: fc.constantFrom(...WINDOWS),
        amount: fc.option(fc.nat(300).map(String)),
      }),
      // Of what is not known to be in the file, so much is there all the same.
      share: fc.nat(100),
    }),
  },
  // A clock that goes back stands still in the ledger.
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      us: fc.oneof(
        fc.integer({ min: -DAY_US, max: DAY_US }),
        fc.integer({ min: -seconds(5), max: seconds(90) }),
      ),
    }),
  },
);

/** What everybody can check by hand: one line for each amount that counts, found by looking at all of them. */
interface Line {
  hold: string;
  account: string;
  atUs: Micros;
  charge: Charge;
  /** Of the entry that posted it. */
  sequence: number;
}

/** What is in the same instance of a window has the same name. */
function instanceOf(window: string, atUs: Micros): number {
  switch (window) {
    case "total":
      return 0;
    case "minute":
      return Math.floor(atUs / seconds(60));
    case "day":
      return Math.floor(atUs / DAY_US);
    case "month": {
      const date = new Date(atUs / 1_000);
      return date.getUTCFullYear() * 12 + date.getUTCMonth();
    }
    case "rolling:100":
      return Math.floor(atUs / seconds(2));
    default: {
      const { aheadUs } = ZONE.offsets.findLast(({ fromUs }) => fromUs <= atUs)!;
      return Math.floor((atUs + aheadUs) / DAY_US);
    }
  }
}

function countsAt(window: string, { atUs }: Line, nowUs: Micros): boolean {
  const [then, now] = [instanceOf(window, atUs), instanceOf(window, nowUs)];
  return window === "rolling:100" ? then <= now && then >= now - 50 : then === now;
}

/** Counts as slowly and as plainly as possible, for comparison. */
class PlainLedger {
  held: Line[] = [];
  posted: Line[] = [];
  readonly limits = new Map<string, LimitRow>();

  used(
    lines: readonly Line[],
    { unit, account, window }: Pick<LimitRow, "account" | "unit" | "window">,
    nowUs: Micros,
  ): number {
    let sum = 0;
    for (const line of lines) {
      if (!`${line.account}/`.startsWith(`${account}/`) || !countsAt(window, line, nowUs)) continue;
      sum += inUnit(unit, line.charge);
    }
    return sum;
  }

  hasRoom(account: string, more: Charge, nowUs: Micros): boolean {
    return [...this.limits.values()].every(({ account: name, unit, window, amount }) => {
      if (amount === null || !`${account}/`.startsWith(`${name}/`)) return true;
      if (inUnit(unit, more) === 0) return true;
      const limit = { account: name, unit, window };
      return this.used([...this.held, ...this.posted], limit, nowUs) + inUnit(unit, more) <= Number(amount);
    });
  }

  /** The parts of a hold are used up in the order in which they were taken. */
  close(hold: string, used: Charge, sequence: number): void {
    const parts = this.held.filter((line) => line.hold === hold);
    this.held = this.held.filter((line) => line.hold !== hold);
    const left = { ...used };
    for (const [i, part] of parts.entries()) {
      const share: Charge = { ...NOTHING };
      for (const field of ["nanoUsd", "inputTokens", "outputTokens", "requests", "gpuUs"] as const) {
        share[field] = i === parts.length - 1 ? left[field] : Math.min(left[field], part.charge[field]);
        left[field] -= share[field];
      }
      this.posted.push({ ...part, charge: share, sequence });
    }
  }
}

function inUnit(unit: LimitUnit, { nanoUsd, inputTokens, outputTokens, requests, gpuUs }: Charge): number {
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
    case "gpu_seconds":
      return gpuUs;
  }
}

/** Plays steps on a budget and on the plain ledger. */
class Play {
  readonly budget = new Budget();
  readonly entries: LedgerEntry[] = [];
  readonly #plain = new PlainLedger();
  readonly #open: { id: string; account: string; charge: Charge }[] = [];
  readonly #inDoubt: { id: string; charge: Charge; lines: Line[] }[] = [];
  readonly #calendar = new Calendar([ZONE]);
  #nowUs: Micros = START_US;
  #ledgerUs: Micros = 0;
  #ids = 0;
  #durable = 0;

  do(each: Step): void {
    switch (each.kind) {
      case "wait":
        this.#nowUs += each.us;
        return;
      case "limit": {
        const { account, unit, window } = each.row;
        this.#plain.limits.set(`${account} ${unit} ${window}`, each.row);
        this.budget.setLimits([each.row], this.#known(each.row, each.share));
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
    const nowUs = this.#clock();
    for (const account of ACCOUNTS) {
      const rows = [...this.#plain.limits.values()].filter(
        (row) => row.account === account && row.amount !== null,
      );
      const told = this.budget.remainders(account, this.#nowUs).filter((one) => one.account === account);
      assert.equal(told.length, rows.length);
      for (const { limit, posted, held, remaining } of told) {
        const where = { ...limit, account };
        const which = `${account} ${limit.window}`;
        assert.equal(posted, BigInt(this.#plain.used(this.#plain.posted, where, nowUs)), which);
        assert.equal(held, BigInt(this.#plain.used(this.#plain.held, where, nowUs)), which);
        assert.equal(remaining, limit.amount - posted - held);
      }
    }
  }

  /** What the file says of the limit's window, as of one of the entries that may not be in it yet. */
  #known({ account, window }: LimitRow, share: number): Known {
    const pending = this.entries.length - this.#durable;
    const through = this.#durable + Math.floor((pending * share) / 100);
    const used = this.#plain.posted
      .filter((line) => line.sequence <= through && `${line.account}/`.startsWith(`${account}/`))
      .map(({ atUs, charge: { nanoUsd, ...counts } }): BalanceRow => {
        const { startUs } = this.#calendar.span(window, atUs);
        return { account, window, startUs, ...counts, nanoUsd: `${nanoUsd}` };
      });
    if (share % 2 === 0) this.budget.durable((this.#durable = through));
    return { zones: [ZONE], used, through };
  }

  #reserve({ account, charge: wanted }: { account: string; charge: Charge }): void {
    const id = `h${this.#ids++}`;
    const fits = this.#plain.hasRoom(account, wanted, this.#clock());
    assert.equal(this.budget.fits(asked(account, wanted), this.#nowUs), fits);
    const result = this.budget.reserve({ id, model: "m" }, asked(account, wanted), this.#nowUs);
    assert.equal("sequence" in result, fits, "all or nothing");
    if (!("sequence" in result)) return;
    this.#record(result);
    this.#open.push({ id, account, charge: wanted });
    this.#plain.held.push({ hold: id, account, atUs: this.#clock(), charge: wanted, sequence: 0 });
  }

  #extend(hold: { id: string; account: string; charge: Charge }, more: Charge): void {
    const fits = this.#plain.hasRoom(hold.account, more, this.#clock());
    const result = this.budget.extend(hold.id, { priority: null, charge: more }, this.#nowUs);
    assert.equal("sequence" in result, fits, "all or nothing");
    if (!("sequence" in result)) return;
    this.#record(result);
    hold.charge = plus(hold.charge, more);
    const line = { hold: hold.id, account: hold.account, atUs: this.#clock(), charge: more };
    this.#plain.held.push({ ...line, sequence: 0 });
  }

  #close(
    { id, charge: held }: { id: string; charge: Charge },
    { kind, charge: used }: { kind: Step["kind"]; charge: Charge },
  ): void {
    const lines = this.#plain.held.filter((line) => line.hold === id);
    this.#plain.close(id, kind === "post" ? used : kind === "void" ? NOTHING : held, this.entries.length + 1);
    const nowUs = this.#nowUs;
    if (kind === "post") {
      const entry = this.budget.post(id, used, nowUs);
      this.#record(entry);
      const over = {
        nanoUsd: Math.max(0, used.nanoUsd - held.nanoUsd),
        inputTokens: Math.max(0, used.inputTokens - held.inputTokens),
        cachedTokens: 0,
        reasoningTokens: 0,
        outputTokens: Math.max(0, used.outputTokens - held.outputTokens),
        requests: Math.max(0, used.requests - held.requests),
        gpuUs: Math.max(0, used.gpuUs - held.gpuUs),
      };
      const isOver = Object.values(over).some((amount) => amount > 0);
      assert.deepEqual(entry.overage, isOver ? over : null, "an overage is exactly what exceeds the hold");
    } else if (kind === "void") {
      this.#record(this.budget.void(id, nowUs));
    } else {
      this.#record(this.budget.postInDoubt(id, nowUs));
      this.#inDoubt.push({ id, charge: held, lines });
    }
  }

  /** Counts in the windows in which the parts of the hold were made. */
  #adjust({ charge: used }: { charge: Charge }): void {
    const doubtful = this.#inDoubt.pop();
    if (doubtful === undefined) return assert.equal(this.budget.adjust("never", used, this.#nowUs), null);
    const entry = this.budget.adjust(doubtful.id, used, this.#nowUs);
    assert(entry !== null);
    this.#record(entry);
    assert.equal(this.budget.adjust(doubtful.id, used, this.#nowUs), null, "once");
    // Nobody has used more than was held.
    const credible = least(used, doubtful.charge);
    // As if it had been posted like this, and what was posted had not been.
    for (const line of this.#plain.posted.filter(({ hold }) => hold === doubtful.id)) {
      this.#plain.posted.push({ ...line, charge: minus(NOTHING, line.charge), sequence: entry.sequence });
    }
    this.#plain.held.push(...doubtful.lines);
    this.#plain.close(doubtful.id, credible, entry.sequence);
  }

  #record(entry: LedgerEntry): void {
    assert.equal(entry.atUs, this.#clock());
    this.entries.push(entry);
  }

  #clock(): Micros {
    this.#ledgerUs = Math.max(this.#nowUs, this.#ledgerUs);
    return this.#ledgerUs;
  }
}

function asked(account: string, wanted: Charge): Asked {
  return { account, priority: null, charge: wanted };
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
      const counted = { ...EMPTY_LEDGER, zones: [ZONE], tracked: TRACKED };
      const whole = new Accounts(counted);
      const before = new Accounts(counted);
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
  const reserve = (): unknown => {
    return budget.reserve({ id: "h", model: "m" }, asked("global/a", { ...NOTHING, outputTokens: 5 }), 0);
  };
  reserve();
  assert.throws(reserve, InvariantViolation);
  budget.post("h", NOTHING, 0);
  assert.throws(() => budget.post("h", NOTHING, 0), InvariantViolation);
  assert.throws(() => budget.void("h", 0), InvariantViolation);
  assert.throws(() => budget.extend("h", asked("", NOTHING), 0), InvariantViolation);
});

test("a billion USD is counted to the nano-USD", () => {
  const budget = new Budget();
  const limit = 10n ** 18n;
  const known = { zones: [], used: [], through: 0 };
  budget.setLimits([{ account: "global", unit: "usd", window: "total", amount: String(limit) }], known);
  const reserve = (id: string, nanoUsd: number): LedgerEntry | object => {
    return budget.reserve({ id, model: "m" }, asked("global/a", { ...NOTHING, nanoUsd }), 0);
  };
  const million = 1_000_000_000_000_000;
  for (let i = 0; i < 999; i++) {
    reserve(`h${i}`, million);
    budget.post(`h${i}`, { ...NOTHING, nanoUsd: million }, 0);
  }
  assert("sequence" in reserve("last", million - 1));
  assert.equal(budget.remainders("global/a", 0)[0]!.remaining, 1n);
  assert("limit" in reserve("two", 2));
  assert("sequence" in reserve("one", 1));
});

test("a threshold that stops leaves the rest to nobody, and one that holds back to those who are urgent enough", () => {
  const ranks = ["high", "normal", "low"];
  const budget = new Budget(undefined, (band) =>
    ranks.includes(band ?? "normal") ? ranks.indexOf(band ?? "normal") : null,
  );
  const thresholds = [
    { percent: 50, action: "notify", priority: null },
    { percent: 60, action: "hold_low_priority", priority: "normal" },
    { percent: 80, action: "hold_low_priority", priority: "high" },
    { percent: 90, action: "stop", priority: null },
  ] as const;
  const row: LimitRow = {
    account: "global",
    unit: "requests",
    window: "total",
    amount: "100",
    thresholds: [...thresholds],
  };
  budget.setLimits([row], { zones: [], used: [], through: 0 });
  const most = (priority: string | null): number => {
    let requests = 0;
    while (budget.fits({ account: "global/a", priority, charge: { ...NOTHING, requests: requests + 1 } }, 0))
      requests++;
    return requests;
  };
  assert.deepEqual([most("low"), most(null), most("high")], [60, 80, 90]);
  // Where the band that it names is not there, only the most urgent one is let through.
  budget.setLimits(
    [{ ...row, thresholds: [{ percent: 60, action: "hold_low_priority", priority: "hgih" }] }],
    { zones: [], used: [], through: 0 },
  );
  assert.deepEqual([most("low"), most(null), most("high")], [60, 60, 100]);
  budget.setLimits([row], { zones: [], used: [], through: 0 });
  const refused = budget.reserve(
    { id: "h", model: "m" },
    { account: "global/a", priority: "low", charge: { ...NOTHING, requests: 61 } },
    0,
  );
  assert("limit" in refused);
  assert.deepEqual([refused.threshold, refused.remaining], [thresholds[1], 60n]);
});
