import type { Command } from "commander";
import { historyLines, type LimitState } from "../administration/limit-history.ts";
import { describeThresholds } from "../administration/terms.ts";
import { type AlertLine, alertLines } from "../administration/alert-lines.ts";
import { ROOT } from "../keys/account-path.ts";
import { parseCount } from "./arguments.ts";
import { configOption, type LedgerArguments, withLedger } from "./ledger-file.ts";
import { parseAccount } from "./limit-arguments.ts";
import { table } from "./table.ts";

const LATEST = 100;

interface EventsArguments extends LedgerArguments {
  latest: number;
}

/** `budgets alerts`: what was told, or is to be told, to webhooks. */
export function addAlerts(budgets: Command): void {
  latest(budgets.command("alerts"))
    .description("show alerts: which limit reached which percentage, and whether webhooks took it")
    .action((account: string, given: EventsArguments) => {
      const lines = withLedger(given, (database) => alertLines(database, { account, max: given.latest }));
      if (given.json === true) return console.log(JSON.stringify({ alerts: lines }, null, 2));
      if (lines.length === 0) {
        return console.log("No alerts. `headgate budgets set … --alert 80` asks for one at 80 % of a limit.");
      }
      const header = ["at", "account", "unit", "window", "reached", "limit", "posted", "webhooks"];
      console.log(table(header, lines.map(alertRow)));
    });
}

function alertRow({ at, account, unit, window, percent, limit, posted, delivery }: AlertLine): string[] {
  return [at, account, unit, window, `${percent}%`, limit, posted, delivery];
}

/** `budgets history`: who changed which limit, and from what to what. */
export function addHistory(budgets: Command): void {
  latest(budgets.command("history"))
    .description("show who changed limits, when, and from what to what")
    .action((account: string, given: EventsArguments) => {
      const lines = withLedger(given, (database) => historyLines(database, { account, max: given.latest }));
      if (given.json === true) return console.log(JSON.stringify({ changes: lines }, null, 2));
      const rows = lines.map(({ at, by, account: where, unit, window, before, after }) => {
        return [at, by, where, unit, window, words(before), words(after)];
      });
      console.log(table(["at", "by", "account", "unit", "window", "before", "after"], rows));
    });
}

/** Options that both have. */
function latest(command: Command): Command {
  return command
    .argument("[account]", "only what is at or below it", parseAccount, ROOT)
    .option("--latest <count>", "how many, from the latest on", parseCount, LATEST)
    .option("--json", "print JSON")
    .addOption(configOption());
}

function words(state: LimitState | null): string {
  if (state === null) return "none";
  return [state.limit, describeThresholds(state.thresholds)].filter((part) => part !== "").join("; ");
}
