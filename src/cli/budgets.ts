import { type Command, Option } from "commander";
import { type BudgetLine, budgetLines, inZone } from "../administration/budget-lines.ts";
import { describeThresholds, readAmount, readWindow, thresholdLines } from "../administration/terms.ts";
import { nearestName, unknownName } from "../config/nearest-name.ts";
import { describeLimit, type LimitRow, type LimitUnit } from "../core/budget/limits.ts";
import { zoneOf } from "../core/budget/windows.ts";
import { MICROS_PER_MILLI } from "../core/units.ts";
import { KEYLESS_ACCOUNT } from "../gateway/access.ts";
import { ROOT, shortName } from "../keys/account-path.ts";
import { readLimits, writeLimit } from "../ledger/limit-table.ts";
import { isKnownAccount } from "../ledger/known-account.ts";
import { type BudgetReport, reportBudgets } from "../ledger/report.ts";
import { addAlerts, addHistory } from "./budget-events.ts";
import { configuredBands } from "./configured-bands.ts";
import { doubtNote } from "./doubt-note.ts";
import { configOption, type LedgerArguments, withLedger } from "./ledger-file.ts";
import {
  parseAccount,
  parseHolding,
  parsePercent,
  parsePercents,
  parseShortening,
  parseUnit,
  parseZone,
  type ThresholdOptions,
  thresholdsOf,
} from "./limit-arguments.ts";
import { shortGpuLimit } from "./short-gpu-limit.ts";
import { table } from "./table.ts";

const EXAMPLES = `
Accounts are global, tenants such as acme, and whatever is below them: projects such as acme/research, and
keys such as acme/research/alice. Each spends under its own limits and all those above it. Units are usd,
tokens, input_tokens, output_tokens, requests, and gpu_seconds: time on GPUs. Windows are total, minute, hour, day, week, month, and
"rolling 3600s" for the last so many seconds at any moment; days, weeks and months are those of --zone.

Examples:
  $ npm run headgate -- budgets
  $ npm run headgate -- budgets set acme/research usd 500 --per month --zone Europe/Berlin --alert 80
  $ npm run headgate -- budgets set acme usd 5 --per day --hold-low-priority 90:high
  $ npm run headgate -- budgets set global tokens 1000000
  $ npm run headgate -- budgets set acme/lab gpu_seconds 3600 --per day
  $ npm run headgate -- budgets remove acme usd --per day
  $ npm run headgate -- budgets alerts`;

const ACCOUNT_FORM = "global, acme, acme/research or acme/research/alice";
const UNIT_FORM = "usd, tokens, input_tokens, output_tokens, requests or gpu_seconds";

interface WindowArguments extends LedgerArguments {
  per: string;
  zone?: string;
}

export function addBudgetsCommand(program: Command): void {
  const budgets = program
    .command("budgets")
    .description("show what was used of every limit; set and remove limits")
    .addHelpText("after", EXAMPLES);
  addShow(budgets);
  addSet(budgets);
  addRemove(budgets);
  addAlerts(budgets);
  addHistory(budgets);
}

function addShow(budgets: Command): void {
  budgets
    .command("show", { isDefault: true })
    .description("show every limit and what was used of it; meant if nothing else is")
    .argument("[account]", `only what is at or below: ${ACCOUNT_FORM}`, parseAccount, ROOT)
    .option("--json", "print JSON")
    .addOption(configOption())
    .addHelpText("after", EXAMPLES)
    .action((account: string, given: LedgerArguments) => {
      const nowUs = Date.now() * MICROS_PER_MILLI;
      const { report, isKnown } = withLedger(given, (database) => ({
        report: reportBudgets(database, nowUs, account),
        isKnown: account === KEYLESS_ACCOUNT || isKnownAccount(database, account),
      }));
      const lines = budgetLines(report);
      if (lines.length === 0 && !isKnown) throw unknownAccount(account, budgets);
      console.log(
        given.json === true
          ? JSON.stringify(toJson(report, lines), null, 2)
          : describe(report, lines, account),
      );
    });
}

function addSet(budgets: Command): void {
  budgets
    .command("set")
    .description("set a limit; it binds within a quarter of a second, and what is already held stays held")
    .argument("<account>", ACCOUNT_FORM, parseAccount)
    .argument("<unit>", UNIT_FORM, parseUnit)
    .argument("<amount>", "USD or GPU-seconds as a decimal, or a count")
    .addOption(windowOption())
    .addOption(zoneOption())
    .option("--alert <percent>", "tell webhooks when so much of it is spent; may be repeated", parsePercents)
    .option(
      "--shorten <percent:tokens>",
      "from there on an answer has so many tokens at most, as in 80:512; may be repeated",
      parseShortening,
    )
    .option("--stop-at <percent>", "let nothing through from there on", parsePercent)
    .option(
      "--hold-low-priority <percent:band>",
      "from there on let only that band and more urgent ones through, as in 90:high; may be repeated",
      parseHolding,
    )
    .addOption(configOption())
    .addHelpText("after", EXAMPLES)
    .action(
      (account: string, unit: LimitUnit, amountText: string, given: WindowArguments & ThresholdOptions) => {
        const window = readWindow(given.per, given.zone);
        const amount = readAmount(amountText, unit);
        warnOfBands(given);
        const limit: LimitRow = { account, unit, window, amount, thresholds: thresholdsOf(given) };
        const { before, isKnown } = withLedger(given, (database) => {
          const { limits } = readLimits(database, { after: 0 });
          writeLimit(database, limit);
          return {
            before: limits.find((one) => isSamePlace(one, limit)),
            isKnown: account === KEYLESS_ACCOUNT || isKnownAccount(database, account),
          };
        });
        console.log(`${account}: ${words(limit)}`);
        if ((before?.amount ?? null) !== null) console.error(`It was: ${words(before!)}`);
        if (!isKnown) console.error(waitingLimit(account));
        const short = shortGpuLimit(limit, given.config);
        if (short !== null) console.error(short);
      },
    );
}

function addRemove(budgets: Command): void {
  budgets
    .command("remove")
    .description("remove a limit")
    .argument("<account>", ACCOUNT_FORM, parseAccount)
    .argument("<unit>", UNIT_FORM, parseUnit)
    .addOption(windowOption())
    .addOption(zoneOption())
    .addOption(configOption())
    .addHelpText("after", EXAMPLES)
    .action((account: string, unit: LimitUnit, given: WindowArguments) => {
      const window = readWindow(given.per, given.zone);
      const { isRemoved, others } = withLedger(given, (database) => ({
        isRemoved: writeLimit(database, { account, unit, window, amount: null }),
        others: readLimits(database, { after: 0 }).limits.filter((one) => {
          return one.account === account && one.unit === unit && one.amount !== null;
        }),
      }));
      if (isRemoved) return console.log(`${account} has no limit on ${unit} (${window}) any more.`);
      const windows = others.map((one) => one.window).join(", ");
      const hint =
        windows === "" ? "`headgate budgets` lists them." : `There is one by another window: ${windows}.`;
      throw new Error(`${account} has no limit on ${unit} (${window}). ${hint}`);
    });
}

function windowOption(): Option {
  return new Option("--per <window>", 'total, minute, hour, day, week, month or "rolling 3600s"').default(
    "total",
  );
}

function zoneOption(): Option {
  return new Option("--zone <name>", "time zone of a day, week or month; UTC if absent").argParser(parseZone);
}

function isSamePlace(a: LimitRow, b: LimitRow): boolean {
  return a.account === b.account && a.unit === b.unit && a.window === b.window;
}

/** As in `500 USD a month in Europe/Berlin; alert at 80 %`. */
function words({ unit, window, amount, thresholds = [] }: LimitRow): string {
  const limit = describeLimit({ unit, window, amount: BigInt(amount!) });
  return [limit, describeThresholds(thresholdLines(thresholds))].filter((part) => part !== "").join("; ");
}

/** What was meant may be another account: a name that is spelled wrong limits nobody. */
function waitingLimit(account: string): string {
  return `No key spends under ${shortName(account)} yet; the limit waits for one.`;
}

/** A subcommand that is spelled wrong is taken for an account. */
function unknownAccount(account: string, { commands }: Command): Error {
  const name = shortName(account);
  const names = commands.map((command) => command.name());
  const nearest = nearestName(name, names);
  const guess = nearest === null ? "" : ` Did you mean \`headgate budgets ${nearest}\`?`;
  return new Error(
    `There is no account ${name}: it has no key and no limit, and spent nothing.${guess} ` +
      `\`headgate budgets\` lists accounts; it also takes ${names.join(", ")}.`,
  );
}

/** Where the band that is named is not there, all but the most urgent one are held. */
function warnOfBands({ config, holdLowPriority = [] }: LedgerArguments & ThresholdOptions): void {
  const wanted = holdLowPriority.map(({ priority }) => priority);
  const bands = wanted.length === 0 ? null : configuredBands(config);
  for (const band of wanted) {
    if (bands?.includes(band) === false) {
      console.error(
        `By ${config}, ${unknownName("band", band, bands)}. Until it is there, only the most urgent one is let through.`,
      );
    }
  }
}

function toJson({ inDoubt, overage }: BudgetReport, lines: BudgetLine[]): object {
  return { budgets: lines, in_doubt: inDoubt, overage };
}

function describe({ inDoubt, overage }: BudgetReport, lines: BudgetLine[], top: string): string {
  if (lines.length === 0) {
    const name = shortName(top);
    const where = top === ROOT ? "" : ` at or below ${name}`;
    return `No limits are set and nothing was spent${where}. Set one with \`headgate budgets set ${name} usd 5 --per day\`.`;
  }
  const rows = lines.map(({ account, unit, window, limit, used, held, remaining, resets, thresholds }) => {
    const end = resets === null ? "" : inZone(resets, zoneOf(window));
    const left = [limit ?? "none", used, held, remaining ?? ""];
    return [account, unit, window, ...left, end, describeThresholds(thresholds)];
  });
  const header = ["account", "unit", "window", "limit", "used", "held", "remaining", "resets", "thresholds"];
  const notes: string[] = [];
  const { usd, gpu_seconds: gpuSeconds, posts } = inDoubt;
  const doubt = doubtNote({ usd, gpuSeconds }, { posts });
  if (doubt !== null) notes.push(doubt);
  if (overage.posts > 0) {
    notes.push(`Overage: ${overage.usd} USD in ${overage.posts} posts, billed beyond what was held.`);
  }
  return [table(header, rows), ...notes].join("\n");
}
