import type { Command } from "commander";
import { type Chargeback, chargeback } from "../administration/chargeback.ts";
import { chargebackCsv, chargebackRows } from "../administration/chargeback-csv.ts";
import { readDimensions } from "../administration/chargeback-groups.ts";
import type { PeriodTerms } from "../administration/period.ts";
import { UTC } from "../core/budget/windows.ts";
import { MICROS_PER_MILLI } from "../core/units.ts";
import { ROOT } from "../keys/account-path.ts";
import { configOption, type LedgerArguments, withLedger } from "./ledger-file.ts";
import { doubtNote } from "./doubt-note.ts";
import { parseAccount, parseZone } from "./limit-arguments.ts";
import { table } from "./table.ts";

const COLUMNS_DEFAULT = "tenant,project,key";

interface ChargebackArguments extends LedgerArguments, PeriodTerms {
  account: string;
  zone: string;
  by: string;
  csv?: boolean;
}

export function addChargebackCommand(program: Command): void {
  program
    .command("chargeback")
    .description("add up who used how much of which model, for a bill")
    .option("--account <account>", "only it and what is below it, such as acme/research", parseAccount, ROOT)
    .option("--month <month>", "such as 2026-10; the present one if no time is given")
    .option("--last-month", "the month before the present one")
    .option("--from <day>", "the first day, such as 2026-10-01")
    .option("--until <day>", "the last day, which counts too; until now if absent")
    .option("--zone <name>", "time zone of days and months", parseZone, UTC)
    .option(
      "--by <columns>",
      "what to tell apart, of tenant, project, key, agent, task, model and day",
      COLUMNS_DEFAULT,
    )
    .option("--csv", "print CSV; its last line is the total")
    .option("--json", "print JSON")
    .addOption(configOption())
    .addHelpText(
      "after",
      `
What a request used counts at the time when it was let through. A tenant is the first level below global, a
key is a key, a project is what is between them, and an agent and its task are what requests name below a
key. What is in doubt was charged in full because nobody knows what was used, as after a crash; a worker's
receipts may still lower it. gpu_seconds is the time that requests kept GPUs of your own busy, or set aside.

Examples:
  $ npm run --silent headgate -- chargeback --last-month --zone Europe/Berlin --csv > last-month.csv
  $ npm run headgate -- chargeback --account acme --month 2026-10 --by project,model
  $ npm run headgate -- chargeback --from 2026-10-01 --until 2026-10-07 --by day,tenant --json`,
    )
    .action((given: ChargebackArguments) => {
      if (given.csv === true && given.json === true) throw new Error("Give --csv or --json, not both.");
      const { account, zone } = given;
      const by = readDimensions(given.by);
      const nowUs = Date.now() * MICROS_PER_MILLI;
      const report = withLedger(given, (database) => {
        return chargeback(database, { account, zone, period: given, by, nowUs });
      });
      if (given.csv === true) process.stdout.write(chargebackCsv(report));
      else console.log(given.json === true ? JSON.stringify(report, null, 2) : describe(report));
    });
}

function describe(report: Chargeback): string {
  const [header, ...rows] = chargebackRows(report);
  const { account, from, until, total, lines } = report;
  const period = `${account}, from ${from} until ${until}`;
  if (lines.length === 0) return `${period}: nothing was used.`;
  const note = doubtNote(
    { usd: total.in_doubt_usd, gpuSeconds: total.in_doubt_gpu_seconds },
    { of: { usd: total.usd, gpuSeconds: total.gpu_seconds } },
  );
  return [period, "", table(header!, rows), ...(note === null ? [] : [note])].join("\n");
}
