import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { BalanceRow, LedgerState } from "../../src/core/budget/accounts.ts";
import { Budget } from "../../src/core/budget/budget.ts";
import type { ZoneRules } from "../../src/core/budget/calendar.ts";
import { type Charge, NOTHING } from "../../src/core/budget/charge.ts";
import type { LimitRow } from "../../src/core/budget/limits.ts";
import { Random } from "../../src/core/random.ts";
import { seconds } from "../../src/core/units.ts";

/** Two limits on every account, in two windows, both of which every charge counts in. */
const DAY = { unit: "tokens", window: "day" } as const;
const MONTH = { unit: "usd", window: "month@Europe/Berlin" } as const;
const LIMITS = [DAY, MONTH];
/** Far away: whether there is room is asked at every level, and there always is. */
const AMOUNT = "1000000000000000000";

/** A Wednesday in November 2026, in the afternoon; clocks in Berlin were set back in October. */
const START_US = seconds(1_794_400_000);
const BERLIN: ZoneRules = {
  zone: "Europe/Berlin",
  offsets: [
    { fromUs: 0, aheadUs: seconds(7_200) },
    { fromUs: seconds(1_792_890_000), aheadUs: seconds(3_600) },
  ],
};

const USED_BEFORE = {
  nanoUsd: "5000000000",
  inputTokens: 90_000,
  cachedTokens: 10_000,
  outputTokens: 30_000,
  reasoningTokens: 0,
  requests: 400,
  gpuUs: 0,
};
const WORST_CASE: Charge = { ...NOTHING, nanoUsd: 912_000, inputTokens: 200, outputTokens: 256, requests: 1 };
const USED: Charge = { ...NOTHING, nanoUsd: 328_000, inputTokens: 200, outputTokens: 64, requests: 1 };

const MODEL = "headgate-0.3m";
const GAP_US = 50;

/** A ledger with a tree of accounts as a supervisor opens it, and holds on its leaves. */
export class AccountTree {
  /** Accounts on all levels. */
  readonly accounts: number;
  /** CPU time of opening it: balances from what was stored, and limits. */
  readonly openMs: number;
  readonly #budget: Budget;
  readonly #leaves: readonly string[];
  readonly #random = new Random(1);
  #nowUs = START_US;
  #count = 0;

  /** `branches` says how many accounts each account has below it, from the root down. */
  constructor(branches: readonly number[]) {
    const levels = [["global"]];
    for (const width of branches) levels.push(levels.at(-1)!.flatMap((above) => childrenOf(above, width)));
    const names = levels.flat();
    const state = stateOf(names);
    const limits = names.flatMap((account): LimitRow[] => {
      return LIMITS.map((limit) => ({ account, ...limit, amount: AMOUNT }));
    });
    const before = process.cpuUsage();
    this.#budget = new Budget(state);
    this.#budget.setLimits(limits, { zones: state.zones, used: [], through: 0 });
    this.openMs = cpuUsSince(before) / 1_000;
    this.accounts = names.length;
    this.#leaves = levels.at(-1)!;
  }

  get leaves(): readonly string[] {
    return this.#leaves;
  }

  /** Takes a hold on some leaf, or on the one that is named. */
  reserve(account: string = this.#random.pick(this.#leaves)): string {
    this.#nowUs += GAP_US;
    const id = `r${++this.#count}/0:0`;
    const asked = { account, priority: null, charge: WORST_CASE };
    const entry = this.#budget.reserve({ id, model: MODEL }, asked, this.#nowUs);
    if ("limit" in entry) throw new Error(`${entry.account} has no room`);
    return id;
  }

  post(hold: string): void {
    this.#budget.durable(this.#budget.post(hold, USED, this.#nowUs).sequence);
  }
}

export function cpuUsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** Bytes in use once everything that nobody needs is gone. */
export function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function childrenOf(above: string, width: number): string[] {
  return Array.from({ length: width }, (_, i) => `${above}/account-${i}`);
}

function stateOf(names: readonly string[]): LedgerState {
  const rows = (account: string): BalanceRow[] => [
    { account, window: "total", startUs: 0, ...USED_BEFORE },
    ...LIMITS.map(({ window }) => ({ account, window, startUs: START_US, ...USED_BEFORE })),
  ];
  return {
    sequence: 0,
    clockUs: START_US,
    zones: [BERLIN],
    tracked: names.flatMap((account) => LIMITS.map(({ window }) => ({ account, window }))),
    balances: names.flatMap(rows),
    holds: [],
    inDoubt: [],
  };
}
