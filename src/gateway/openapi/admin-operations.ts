import * as schemas from "./admin-schemas.ts";
import { error } from "./answer-schemas.ts";
import type { Operation } from "./operations.ts";

const JSON_TYPE = "application/json";
const LOOK_ERRORS = [400, 401, 403, 503];
const CHANGE_ERRORS = [400, 401, 403, 404, 413, 503];

const ACCOUNT = { account: "It and all below it; the account that the key is for if absent." };
const PART = {
  limit: "Entries to show, at most 1,000; 100 if absent.",
  offset: "Entries to leave out; 0 if absent.",
};
const PLACE = {
  account: "The account whose limit it is.",
  unit: "Of the limit.",
  window: "Of the limit; `total` if absent.",
  zone: "Of a day, week or month, where the window names none.",
};
const PERIOD = {
  month: "Such as `2026-10`; the present one if no time is given.",
  last_month: "`true` for the month before the present one.",
  from: "The first day, such as `2026-10-01`.",
  until: "The last day, which counts too; until now if absent.",
  zone: "Time zone of days and months; UTC if absent.",
};

/** What administrators see and change. Lists take an account and come in parts; changes take an admin key. */
export const ADMIN_OPERATIONS: readonly Operation[] = [
  list("/admin/budgets", "What was used of every limit", schemas.budgetList),
  {
    ...change(
      "PUT",
      "/admin/budgets",
      "Set a limit, with its thresholds, in place of what it was",
      schemas.limit,
    ),
    request: schemas.limitBody,
  },
  {
    ...change("DELETE", "/admin/budgets", "Remove a limit", schemas.limit),
    query: PLACE,
  },
  list("/admin/history", "Who changed limits, from what to what, the latest first", schemas.limitHistory),
  list("/admin/alerts", "Alerts at thresholds of limits, the latest first", schemas.alertList),
  list("/admin/accounts", "The tree of accounts, and what each used", schemas.accountList),
  list("/admin/keys", "Keys, by the first characters of their secrets", schemas.keyList),
  {
    ...change("POST", "/admin/keys", "Create a key, with its limits", schemas.newKey),
    request: schemas.newKeyBody,
  },
  change("POST", "/admin/keys/{account}/rotate", "Give a key a new secret", schemas.rotatedKey),
  change("POST", "/admin/keys/{account}/disable", "Refuse a key", schemas.switchedKey),
  change("POST", "/admin/keys/{account}/enable", "Accept a key again", schemas.switchedKey),
  {
    ...list("/admin/chargeback", "Who used how much of which model", schemas.chargebackReport),
    answer: { [JSON_TYPE]: schemas.chargebackReport, "text/csv": null },
    query: {
      ...ACCOUNT,
      ...PERIOD,
      by: "What to tell apart, of `tenant,project,key,agent,task,model,day`; `tenant,project,key` if absent.",
      format: "`json`, or `csv`, whose last line is the total; `json` if absent.",
    },
  },
];

function list(path: string, summary: string, schema: Operation["request"]): Operation {
  return {
    method: "GET",
    path,
    summary,
    request: null,
    answer: { [JSON_TYPE]: schema },
    errors: LOOK_ERRORS,
    error,
    query: { ...ACCOUNT, ...PART },
  };
}

function change(
  method: Operation["method"],
  path: string,
  summary: string,
  schema: Operation["request"],
): Operation {
  return {
    method,
    path,
    summary,
    request: null,
    answer: { [JSON_TYPE]: schema },
    errors: CHANGE_ERRORS,
    error,
  };
}
