import type { LimitedAccounts } from "../budget/limited-accounts.ts";
import type { LedgerEntry } from "../budget/ledger-entry.ts";
import type { SliceAnswers } from "../budget/slice-answers.ts";
import type { SliceTerms } from "../budget/slice.ts";
import type { CoreConfig } from "../config.ts";
import type { SupervisorEvent } from "../events.ts";
import type { Micros } from "../units.ts";
import type { LeaseBook } from "./lease-book.ts";
import type { AskedPlace } from "./lease.ts";

/** What the desk does for its slices. */
export interface SliceHost {
  books: LimitedAccounts;
  leases: LeaseBook;
  limits: CoreConfig["slices"];
  /** Names of those that are there. */
  replicas: () => Iterable<string>;
  tell: (replica: string, event: SupervisorEvent) => void;
  /** The replica's requests may draw on it from now on. */
  opened: (replica: string, slice: SliceTerms) => void;
  append: (step: Parameters<LimitedAccounts["append"]>[0]) => LedgerEntry;
  /** Asks for all of that; `answered` answers, now or later. */
  ask: (opening: number, places: AskedPlace[], nowUs: Micros) => void;
  /** Money has come free, nobody knows where. */
  freed: (nowUs: Micros) => void;
}

/** What openings and closings share. */
export interface SliceParts {
  host: SliceHost;
  answers: SliceAnswers;
  /** One for each opening and each closing. */
  nextNumber: () => number;
}

/** A question about the slice of an account, and who has it. */
export interface SliceAsker {
  replica: string;
  ask: string;
  account: string;
}

export function tellAll({ replicas, tell }: SliceHost, event: SupervisorEvent): void {
  for (const name of replicas()) tell(name, event);
}
