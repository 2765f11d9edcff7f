import type { HeadgateError } from "../core/errors.ts";
import type { LimitRow } from "../core/budget/limits.ts";
import type { KeyRole } from "../keys/key-table.ts";
import type { Dimension } from "./chargeback-groups.ts";
import type { PeriodTerms } from "./period.ts";
import type { LimitTerms } from "./terms.ts";

/** Which part of a list is wanted. */
export interface Page {
  offset: number;
  limit: number;
}

/** What administrators ask of the ledger, as plain data: it goes to another thread. Whether they may was checked before. */
export type AdminAsk =
  | { what: "budgets" | "accounts" | "keys" | "alerts" | "history"; account: string; page: Page }
  | { what: "set_limit"; limit: LimitRow; by: string }
  | { what: "create_key"; account: string; role: KeyRole; limits: LimitTerms[]; by: string }
  | { what: "rotate_key" | "disable_key" | "enable_key"; account: string }
  | {
      what: "chargeback";
      account: string;
      zone: string;
      period: PeriodTerms;
      by: Dimension[];
      format: "json" | "csv";
    };

/** A document, or why there is none. */
export type AdminAnswer = { type: "application/json" | "text/csv"; body: string } | { error: HeadgateError };
