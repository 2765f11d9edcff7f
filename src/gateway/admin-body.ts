import type { z } from "zod";
import {
  readAmount,
  readPath,
  readRole,
  readThresholds,
  readUnit,
  readWindow,
  TermError,
} from "../administration/terms.ts";
import type { LimitTerms } from "../administration/terms.ts";
import { unknownName } from "../config/nearest-name.ts";
import { problemsOf } from "../config/problem.ts";
import type { LimitRow } from "../core/budget/limits.ts";
import type { Document } from "../exchange/client-request.ts";
import type { KeyRole } from "../keys/key-table.ts";
import { limitBody, type limitTerms, newKeyBody } from "./openapi/admin-schemas.ts";

/** A limit as `PUT /admin/budgets` is given it; thresholds name some of these bands. Throws a `TermError`. */
export function readLimitBody(document: Document, bands: readonly string[]): LimitRow {
  const { account, ...terms } = check(limitBody, document);
  return { account: readPath(account), ...termsOf(terms, bands) };
}

export interface NewKeyBody {
  account: string;
  role: KeyRole;
  limits: LimitTerms[];
}

/** A key as `POST /admin/keys` is given it, with limits as above. Throws a `TermError`. */
export function readNewKeyBody(document: Document, bands: readonly string[]): NewKeyBody {
  const { account, role = "spend", limits = [] } = check(newKeyBody, document);
  return {
    account: readPath(account),
    role: readRole(role),
    limits: limits.map((terms) => termsOf(terms, bands)),
  };
}

function termsOf(
  { unit, amount, window = "total", zone, thresholds = [] }: z.infer<typeof limitTerms>,
  bands: readonly string[],
): LimitTerms {
  const known = readUnit(unit);
  for (const { priority } of thresholds) {
    if (typeof priority === "string" && !bands.includes(priority)) {
      throw new TermError("thresholds", unknownName("band", priority, bands));
    }
  }
  return {
    unit: known,
    window: readWindow(window, zone),
    amount: readAmount(String(amount), known),
    thresholds: readThresholds(thresholds),
  };
}

/** Throws a `TermError` that names what is wrong. */
export function check<T>(schema: z.ZodType<T>, document: Document): T {
  const result = schema.safeParse(document, { error: plainWords });
  if (result.success) return result.data;
  const [first] = problemsOf(result.error.issues);
  const param = first!.keys.join(".");
  throw new TermError(param, `${param}: ${first!.message}`);
}

const WANTED: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  array: "a list",
  object: "an object",
};

/** What to write where a schema has no words of its own; undefined leaves it to zod. */
function plainWords(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type": {
      const wanted = WANTED[issue.expected] ?? issue.expected;
      return issue.input === undefined ? `is missing: give ${wanted}` : `give ${wanted}`;
    }
    case "invalid_value":
      return unknownName("value", String(issue.input), issue.values.map(String));
    case "too_big":
      return issue.origin === "array"
        ? `give at most ${issue.maximum} of them`
        : `give at most ${issue.maximum}`;
    case "too_small":
      return `give at least ${issue.minimum}`;
    default:
      return undefined;
  }
}
