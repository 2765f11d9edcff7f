import type { LedgerEntry } from "../core/budget/ledger-entry.ts";
import type { TokenRange } from "./engine/generation.ts";

/** What can be seen in the world and the supervisor is not told, or not in such detail. Checkers compare the two. */
export type Sighting =
  /** Tokens of an attempt, each a number of its own, have reached the supervisor. */
  | { kind: "tokens_arrived"; attempt: string; choice: number; tokens: TokenRange }
  /** A client has been given tokens: those that were there of those that were asked for. */
  | TokensShown
  /** A client has been told that a choice is complete. */
  | { kind: "answer_ended"; request: string; choice: number; attempt: string }
  /** All that was decided about the request has been carried out. */
  | { kind: "request_over"; request: string }
  /**
   * An engine has nothing more to do with an attempt: what it has truly generated of
   * it, and how much of that an engine with a fault did at its own expense.
   */
  | { kind: "generation_ended"; attempt: string; tokens: number; unpaidTokens: number }
  /** Entries are on the disk for good, whether or not the supervisor has been told. */
  | { kind: "entries_durable"; entries: readonly LedgerEntry[] }
  /** The supervisor's process is gone, and with it all that it had not made durable. */
  | { kind: "supervisor_killed" };

export interface TokensShown {
  kind: "tokens_shown";
  request: string;
  choice: number;
  attempt: string;
  asked: number;
  /** In order; more than one range where they did not follow each other when they came. */
  tokens: readonly TokenRange[];
}
