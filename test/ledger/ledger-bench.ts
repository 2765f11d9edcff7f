import assert from "node:assert/strict";
import type { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { Accounts, EMPTY_LEDGER } from "../../src/core/budget/accounts.ts";
import { Budget } from "../../src/core/budget/budget.ts";
import type { Shortage } from "../../src/core/budget/shortage.ts";
import { type Charge, NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { type Micros, seconds } from "../../src/core/units.ts";
import { NO_VERSIONS, readChanges, windowsOf } from "../../src/ledger/changes.ts";
import { openDatabase } from "../../src/ledger/database.ts";
import { toFields } from "../../src/ledger/entry-fields.ts";
import { EntryWriter } from "../../src/ledger/entry-writer.ts";
import { writeLimit } from "../../src/ledger/limit-table.ts";
import { tidyTracking } from "../../src/ledger/tracking.ts";
import { inTransaction } from "../../src/ledger/transaction.ts";
import { readKnown } from "../../src/ledger/window-use.ts";

export const ACCOUNTS = ["global/local", "global/acme", "global/acme/lab/alice", "global/acme/bob"];
/** Accounts that limits are set for. */
export const LIMITED = ["global", "global/acme", "global/acme/lab", "global/acme/bob"];
const MODELS = ["small", "large"];
export const NOON_US: Micros = Date.UTC(2026, 2, 28, 12) * 1_000;
const HOUR_US = seconds(3_600);

const count = fc.integer({ min: 0, max: 1_000_000 });
const charge: fc.Arbitrary<Charge> = fc.record(
  {
    nanoUsd: fc.integer({ min: 0, max: 5_000_000_000 }),
    inputTokens: count,
    cachedTokens: count,
    outputTokens: count,
    reasoningTokens: count,
    requests: fc.integer({ min: 0, max: 3 }),
    gpuUs: count,
  },
  { noNullPrototype: true },
);
/** Which of the holds, or posts in doubt, that there are. */
const choice = fc.nat({ max: 1_000_000 });
const LATEST = -1;
const LEVELS_MAX = 8;

/** Anything that may happen; in `windows` limits are set now and then. */
export function steps(windows: readonly string[]): fc.Arbitrary<Step[]> {
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant("reserve" as const), account: choice, model: choice, charge }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("extend" as const), which: choice, charge }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("post" as const), which: choice, charge }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("void" as const), which: choice }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("open" as const), account: choice, charge }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("close_slice" as const), which: choice }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("doubt" as const), which: choice }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("adjust" as const), which: choice, charge }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("wait" as const),
        us: fc.oneof(fc.nat({ max: 40 * HOUR_US }), fc.nat({ max: seconds(400) })),
      }),
    },
    { weight: 2, arbitrary: fc.constant({ do: "write" as const }) },
    { weight: 1, arbitrary: fc.constant({ do: "crash" as const }) },
    { weight: 1, arbitrary: fc.constant({ do: "close" as const }) },
    ...(windows.length === 0
      ? []
      : [
          {
            weight: 2,
            arbitrary: fc.record({
              do: fc.constant("limit" as const),
              account: fc.constantFrom(...LIMITED),
              window: fc.constantFrom(...windows),
              isRunning: fc.boolean(),
            }),
          },
        ]),
  );
  if (windows.length === 0) return fc.array(step, { maxLength: 80 });
  // Rarely comes about by itself: the truth about a post comes a little later, and a limit is set soon after that.
  const correction: fc.Arbitrary<Step[]> = fc
    .record({
      account: choice,
      charge,
      truth: charge,
      waits: fc.array(fc.nat({ max: seconds(100) }), { minLength: 4, maxLength: 4 }),
      isExtended: fc.boolean(),
      isSummed: fc.boolean(),
      limited: fc.constantFrom(...LIMITED),
      window: fc.constantFrom(...windows),
    })
    .map(({ account, charge: held, truth, waits, isExtended, isSummed, limited, window }) => [
      { do: "reserve", account, model: 0, charge: held },
      { do: "wait", us: waits[0]! },
      ...(isExtended ? [{ do: "extend" as const, which: LATEST, charge: held }] : []),
      { do: "wait", us: waits[1]! },
      { do: "doubt", which: LATEST },
      { do: "wait", us: waits[2]! },
      { do: "adjust", which: LATEST, charge: truth },
      ...(isSummed ? [{ do: "close" as const }] : []),
      { do: "wait", us: waits[3]! },
      { do: "limit", account: limited, window, isRunning: true },
    ]);
  const some = fc.oneof(
    { weight: 15, arbitrary: step.map((one) => [one]) },
    { weight: 1, arbitrary: correction },
  );
  return fc.array(some, { maxLength: 80 }).map((parts) => parts.flat());
}

export type Step =
  | { do: "reserve"; account: number; model: number; charge: Charge }
  | { do: "extend" | "post" | "adjust"; which: number; charge: Charge }
  | { do: "void" | "doubt" | "close_slice"; which: number }
  | { do: "open"; account: number; charge: Charge }
  | { do: "wait"; us: Micros }
  | { do: "limit"; account: string; window: string; isRunning: boolean }
  | { do: "write" | "crash" | "close" };

/** A ledger file beside a budget that nothing ever happens to. */
export class LedgerBench {
  readonly #path: string;
  readonly budget = new Budget({ ...EMPTY_LEDGER });
  /** Counts the same entries, in memory only. */
  readonly #live = new Accounts();
  nowUs = NOON_US;
  database: DatabaseSync;
  #writer: EntryWriter;
  #group: LedgerEntry[] = [];
  #holds = 0;
  #told = NO_VERSIONS;

  constructor(path: string) {
    this.#path = path;
    this.database = openDatabase(path);
    this.#writer = new EntryWriter(this.database);
  }

  /** As the writer counts. */
  get written(): Accounts {
    return this.#writer.accounts;
  }

  take(next: Step): void {
    const holds = [...this.#live.holds.values()].flatMap(({ id, amounts }) =>
      amounts === undefined ? [id] : [],
    );
    const slices = this.budget.slices.open.map(({ account }) => account);
    const accounts = [...ACCOUNTS, ...slices];
    const doubtful = [...this.#live.inDoubt.keys()];
    switch (next.do) {
      case "reserve": {
        const asked = { account: pick(accounts, next.account), priority: null, charge: next.charge };
        const hold = { id: `h${this.#holds++}`, model: pick(MODELS, next.model) };
        return this.#addIfTaken(this.budget.reserve(hold, asked, this.nowUs));
      }
      case "open": {
        const account = `${pick(accounts, next.account)}/s${this.#holds++}`;
        if (account.split("/").length > LEVELS_MAX) return;
        const { nanoUsd, inputTokens } = next.charge;
        const amounts = { ...NOTHING, nanoUsd: 1 + 3 * nanoUsd, inputTokens: 3 * inputTokens };
        const wanted = { account, expiresUs: this.nowUs, amounts, priority: null };
        return this.#addIfTaken(this.budget.openSlice(wanted, this.nowUs));
      }
      case "close_slice":
        if (slices.length === 0) return;
        for (const entry of this.budget.closeSlices(pick(slices, next.which), this.nowUs)) this.#add(entry);
        return;
      case "extend": {
        if (holds.length === 0) return;
        const more = { priority: null, charge: next.charge };
        return this.#addIfTaken(this.budget.extend(pick(holds, next.which), more, this.nowUs));
      }
      case "post":
        if (holds.length === 0) return;
        return this.#add(this.budget.post(pick(holds, next.which), next.charge, this.nowUs));
      case "void":
        if (holds.length === 0) return;
        return this.#add(this.budget.void(pick(holds, next.which), this.nowUs));
      case "doubt":
        if (holds.length === 0) return;
        return this.#add(this.budget.postInDoubt(pick(holds, next.which), this.nowUs));
      case "adjust":
        if (doubtful.length === 0) return;
        return this.#add(this.budget.adjust(pick(doubtful, next.which), next.charge, this.nowUs)!);
      case "wait":
        this.nowUs += next.us;
        return;
      case "limit":
        return this.limit(next.account, next.window, { isRunning: next.isRunning });
      case "write":
        return this.write();
      case "crash":
        return this.reopen();
      case "close":
        this.write();
        this.#writer.close();
        return this.reopen();
    }
  }

  write(): void {
    this.#writer.write(toFields(this.#group));
    this.budget.durable(this.#live.sequence);
    this.#group = [];
  }

  /** Nobody is ever short under it. While a supervisor runs, or for it to find when it opens the file. */
  limit(account: string, window: string, { isRunning }: { isRunning: boolean }): void {
    writeLimit(this.database, { account, unit: "usd", window, amount: `${2n ** 63n - 1n}` });
    const after = this.#told;
    if (isRunning) {
      inTransaction(this.database, () => this.#writer.track({ after: after.limits, nowUs: this.nowUs }));
    } else {
      this.reopen();
    }
    const { limits, known, through } = readChanges(this.database, after, (changed) => {
      const windows = windowsOf(changed);
      // A running supervisor is told what its writer counts; anybody else adds it up.
      return isRunning
        ? this.#writer.known(windows)
        : readKnown(this.database, { windows, nowUs: this.nowUs });
    });
    this.budget.setLimits(limits, known);
    this.#told = through;
  }

  /** As after a crash: what was written is all there is, and nobody has summed it up. */
  reopen(): void {
    this.write();
    this.database.close();
    this.database = openDatabase(this.#path);
    inTransaction(this.database, () => tidyTracking(this.database, this.nowUs));
    this.#writer = new EntryWriter(this.database);
  }

  summarize(): void {
    this.write();
    this.#writer.close();
  }

  /** Nobody is ever short of anything but a slice. */
  #addIfTaken(result: LedgerEntry | Shortage): void {
    if ("sequence" in result) this.#add(result);
    else assert.match(result.account, /\/s\d+$/);
  }

  #add(entry: LedgerEntry): void {
    this.#live.apply(entry);
    this.#group.push(entry);
  }
}

function pick<T>(items: readonly T[], which: number): T {
  return items.at(which === LATEST ? LATEST : which % items.length)!;
}
