import type { Command } from "commander";
import type { Remainder } from "../core/budget/budget.ts";
import { describeLimit, formatAmount, type LimitUnit, type LimitWindow } from "../core/budget/limits.ts";
import { formatUsd } from "../core/budget/money.ts";
import { MICROS_PER_MILLI, type Micros } from "../core/units.ts";
import { writeLimit } from "../ledger/limit-table.ts";
import { KEYLESS_CALLER } from "../gateway/access.ts";
import { isKnownAccount } from "../ledger/known-account.ts";
import { type BudgetReport, reportBudgets } from "../ledger/report.ts";
import { configOption, type LedgerArguments, withLedger } from "./ledger-file.ts";
import { parseAccount, parseAmount, parseUnit, parseWindow } from "./limit-arguments.ts";
import { table } from "./table.ts";

/** It needs no key. */
const KEYLESS_ACCOUNT = `global/${KEYLESS_CALLER.tenant}`;

const EXAMPLES = `
Accounts are global, tenants such as acme, and keys such as acme/alice; each spends under its own limits
and all those above it. Units are usd, tokens, input_tokens, output_tokens and requests. A day is one
in UTC.

Examples:
  $ npm run headgate -- budgets
  $ npm run headgate -- budgets set acme usd 5 --per day
  $ npm run headgate -- budgets set global tokens 1000000
  $ npm run headgate -- budgets remove acme usd --per day`;

interface SetArguments extends LedgerArguments {
  per: LimitWindow;
}

export function addBudgetsCommand(program: Command): void {
  const budgets = program
    .command("budgets")
    .description("show what was used of every limit; set and remove limits")
    .addHelpText("after", EXAMPLES);
  addShow(budgets);
  addSet(budgets);
  addRemove(budgets);
}

function addShow(budgets: Command): void {
  budgets
    .command("show", { isDefault: true })
    .description("show every limit and what was used of it; meant if nothing else is")
    .option("--json", "print JSON")
    .addOption(configOption())
    .addHelpText("after", EXAMPLES)
    .action((given: LedgerArguments) => {
      const report = withLedger(given, (database) => reportBudgets(database, Date.now() * MICROS_PER_MILLI));
      console.log(given.json === true ? JSON.stringify(toJson(report), null, 2) : describe(report));
    });
}

function addSet(budgets: Command): void {
  budgets
    .command("set")
    .description("set a limit; it binds at once, and what is already held stays held")
    .argument("<account>", "global, acme or acme/alice", parseAccount)
    .argument("<unit>", "usd, tokens, input_tokens, output_tokens or requests", parseUnit)
    .argument("<amount>", "USD as a decimal, or a count")
    .option("--per <window>", "day or total", parseWindow, "total")
    .addOption(configOption())
    .addHelpText("after", EXAMPLES)
    .action((account: string, unit: LimitUnit, amountText: string, given: SetArguments) => {
      const amount = parseAmount(amountText, unit);
      const isKnown = withLedger(given, (database) => {
        writeLimit(database, { account, unit, window: given.per, amount });
        return account === KEYLESS_ACCOUNT || isKnownAccount(database, account);
      });
      console.log(`${account}: ${describeLimit({ unit, window: given.per, amount: BigInt(amount) })}`);
      if (!isKnown) console.error(waitingLimit(account));
    });
}

function addRemove(budgets: Command): void {
  budgets
    .command("remove")
    .description("remove a limit")
    .argument("<account>", "global, acme or acme/alice", parseAccount)
    .argument("<unit>", "usd, tokens, input_tokens, output_tokens or requests", parseUnit)
    .option("--per <window>", "day or total", parseWindow, "total")
    .addOption(configOption())
    .addHelpText("after", EXAMPLES)
    .action((account: string, unit: LimitUnit, given: SetArguments) => {
      const limit = { account, unit, window: given.per, amount: null };
      if (withLedger(given, (database) => writeLimit(database, limit))) {
        return console.log(`${account} has no limit on ${unit} (${given.per}) any more.`);
      }
      throw new Error(`${account} has no limit on ${unit} (${given.per}). \`headgate budgets\` lists them.`);
    });
}

/** What was meant may be another account: a name that is spelled wrong limits nobody. */
function waitingLimit(account: string): string {
  const [, tenant, key] = account.split("/");
  if (key !== undefined) return `No key ${tenant}/${key} exists yet; the limit waits for one.`;
  return `The tenant ${tenant} has no keys yet; the limit waits for one.`;
}

/** One line of the table; amounts in the limit's unit, USD as a decimal. */
interface Line {
  account: string;
  unit: LimitUnit;
  window: LimitWindow;
  limit: string | null;
  used: string;
  held: string;
  remaining: string | null;
  resets: string | null;
}

function linesOf({ limits, unlimited }: BudgetReport): Line[] {
  const free = unlimited.map(({ account, posted, held }): Line => {
    const amounts = { used: formatUsd(posted), held: formatUsd(held) };
    return { account, unit: "usd", window: "total", limit: null, ...amounts, remaining: null, resets: null };
  });
  return [...limits.map(lineOf), ...free];
}

function lineOf({ account, limit, posted, held, remaining, resetUs }: Remainder): Line {
  const { unit, window, amount } = limit;
  const format = (count: bigint): string => formatAmount(unit, count);
  return {
    account,
    unit,
    window,
    limit: format(amount),
    used: format(posted),
    held: format(held),
    remaining: format(remaining),
    resets: resetUs === null ? null : instant(resetUs),
  };
}

function toJson(report: BudgetReport): object {
  return { budgets: linesOf(report), in_doubt: report.inDoubt, overage: report.overage };
}

function describe(report: BudgetReport): string {
  const lines = linesOf(report);
  if (lines.length === 0) {
    return "No limits are set and nothing was spent. Set one with `headgate budgets set global usd 5 --per day`.";
  }
  const rows = lines.map(({ account, unit, window, limit, used, held, remaining, resets }) => {
    return [account, unit, window, limit ?? "none", used, held, remaining ?? "", resets ?? ""];
  });
  const header = ["account", "unit", "window", "limit", "used", "held", "remaining", "resets"];
  const { inDoubt, overage } = report;
  const notes: string[] = [];
  if (inDoubt.posts > 0) {
    notes.push(`In doubt: ${inDoubt.usd} USD in ${inDoubt.posts} posts, charged in full after a crash.`);
  }
  if (overage.posts > 0) {
    notes.push(`Overage: ${overage.usd} USD in ${overage.posts} posts, billed beyond what was held.`);
  }
  return [table(header, rows), ...notes].join("\n");
}

function instant(atUs: Micros): string {
  return new Date(atUs / MICROS_PER_MILLI).toISOString();
}
