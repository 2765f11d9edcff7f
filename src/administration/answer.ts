import type { DatabaseSync } from "node:sqlite";
import type { HeadgateError } from "../core/errors.ts";
import { formatAmount, type LimitRow } from "../core/budget/limits.ts";
import { MICROS_PER_MILLI } from "../core/units.ts";
import { isWithin, shortName } from "../keys/account-path.ts";
import { type KeyRow, readKeys, rotateKey, setKeyEnabled } from "../keys/key-table.ts";
import { InvalidLimitError } from "../ledger/limit-check.ts";
import { writeLimit } from "../ledger/limit-table.ts";
import { reportBudgets } from "../ledger/report.ts";
import { accountLines } from "./account-lines.ts";
import { alertLines } from "./alert-lines.ts";
import type { AdminAnswer, AdminAsk, Page } from "./ask.ts";
import { budgetLines, instant } from "./budget-lines.ts";
import { chargeback } from "./chargeback.ts";
import { chargebackCsv } from "./chargeback-csv.ts";
import { newKey, TakenError } from "./key-desk.ts";
import { historyLines } from "./limit-history.ts";
import { TermError, thresholdLines } from "./terms.ts";

/** All are kept in a supervisor's memory. */
const LIMITS_MAX = 100_000;

/** Does what is asked, on the ledger's file. Throws what is nobody's mistake, such as a file that can't be read. */
export function answer(database: DatabaseSync, ask: AdminAsk): AdminAnswer {
  try {
    return documentFor(database, ask);
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === null) throw error;
    return { error: refusal };
  }
}

function documentFor(database: DatabaseSync, ask: AdminAsk): AdminAnswer {
  const nowUs = Date.now() * MICROS_PER_MILLI;
  switch (ask.what) {
    case "budgets":
      return list(ask.what, budgetLines(reportBudgets(database, nowUs, ask.account)), ask.page);
    case "accounts":
      return list(ask.what, accountLines(database, ask.account, nowUs), ask.page);
    case "keys": {
      const rows = readKeys(database, { after: 0 }).filter(({ account }) => isWithin(account, ask.account));
      return list(ask.what, rows.map(keyLine), ask.page);
    }
    case "alerts":
    case "history": {
      const { account, page } = ask;
      // One more than is shown says whether there are more.
      const look = { account, max: page.offset + page.limit + 1 };
      const lines = ask.what === "alerts" ? alertLines(database, look) : historyLines(database, look);
      return list(ask.what, lines, page);
    }
    case "set_limit":
      return setLimit(database, ask);
    case "create_key": {
      const { account, role } = ask;
      return json({ account, role, secret: newKey(database, ask) });
    }
    case "rotate_key": {
      const secret = rotateKey(database, ask.account);
      return secret === null ? unknownKey(ask.account) : json({ account: ask.account, secret });
    }
    case "disable_key":
    case "enable_key": {
      const isEnabled = ask.what === "enable_key";
      const isKnown = setKeyEnabled(database, ask.account, isEnabled);
      const status = isEnabled ? "enabled" : "disabled";
      return isKnown ? json({ account: ask.account, status }) : unknownKey(ask.account);
    }
    case "chargeback": {
      const report = chargeback(database, { ...ask, nowUs });
      return ask.format === "json" ? json(report) : { type: "text/csv", body: chargebackCsv(report) };
    }
  }
}

function setLimit(
  database: DatabaseSync,
  { limit, by }: Extract<AdminAsk, { what: "set_limit" }>,
): AdminAnswer {
  if (limit.amount !== null) assertRoom(database);
  if (writeLimit(database, limit, { by })) return json(limitDocument(limit));
  const { account, unit, window } = limit;
  const message = `${shortName(account)} has no limit on ${unit} (${window}). GET /admin/budgets lists those there are.`;
  return { error: { code: "not_found", message } };
}

function assertRoom(database: DatabaseSync): void {
  const { count } = database.prepare("SELECT count(*) AS count FROM limits").get() as { count: number };
  if (count < LIMITS_MAX) return;
  throw new TermError("account", `there are ${LIMITS_MAX} limits already; set them for accounts further up`);
}

function limitDocument({ account, unit, window, amount, thresholds = [] }: LimitRow): object {
  return {
    account,
    unit,
    window,
    limit: amount === null ? null : formatAmount(unit, BigInt(amount)),
    thresholds: thresholdLines(thresholds),
  };
}

function keyLine({ account, role, start, createdUs, disabledUs }: KeyRow): object {
  const status = disabledUs === null ? "enabled" : "disabled";
  return { account, role, secret: `${start}…`, status, created: instant(createdUs) };
}

/** Part of a list under its name, and where the next part begins; null at its end. */
function list(name: string, all: readonly object[], { offset, limit }: Page): AdminAnswer {
  const end = offset + limit;
  return json({ [name]: all.slice(offset, end), next_offset: end < all.length ? end : null });
}

function json(document: object): AdminAnswer {
  return { type: "application/json", body: JSON.stringify(document) };
}

function unknownKey(account: string): AdminAnswer {
  return {
    error: {
      code: "not_found",
      message: `There is no key ${shortName(account)}. GET /admin/keys lists those there are.`,
    },
  };
}

/** In words for whoever asked; null for what is not their mistake. */
function refusalOf(error: unknown): HeadgateError | null {
  if (error instanceof TermError)
    return { code: "invalid_request", message: error.message, param: error.param };
  if (error instanceof TakenError)
    return { code: "invalid_request", message: error.message, param: "account" };
  if (error instanceof InvalidLimitError) return { code: "invalid_request", message: error.message };
  return null;
}
