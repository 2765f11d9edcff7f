import type { HeadgateError } from "./errors.ts";
import type { SettledRecord } from "./settling/record.ts";
import type { Charge } from "./budget/charge.ts";
import type { LedgerEntry } from "./budget/ledger-entry.ts";
import type { LimitUnit } from "./budget/limits.ts";
import type { LeaseOrder } from "./leasing/lease.ts";
import type { LimitWindow } from "./budget/windows.ts";
import type { HeartbeatRefusal } from "./fleet/fleet.ts";
import type { WorkerStatus } from "./fleet/worker.ts";
import type { TokenUsage } from "./vocabulary.ts";
import type { Micros } from "./units.ts";

/**
 * Everything a supervisor can ask of the world. The shell carries effects out in the order
 * given; it decides nothing by itself.
 */
export type Effect =
  | AppendLedger
  | OrderLease
  | BudgetTold
  | AnswerSlice
  | Dispatch
  | GrantCredit
  | AskReceipts
  | ParkAttempt
  | FreeState
  | CancelAttempt
  | Relay
  | FinishAnswer
  | FinishRequest
  | FailRequest
  | DropClient
  | AnswerHeartbeat
  | WorkerChanged
  | RequestSettled
  | LeaseLost
  | Wake
  | Drained;

/** Write the entry behind the last one; `ledger_durable` answers once it is safe. */
export interface AppendLedger {
  kind: "append_ledger";
  entry: LedgerEntry;
}

/** Tell the desk of leases, behind what was appended before; `lease_answered` answers an ask. */
export interface OrderLease {
  kind: "order_lease";
  order: LeaseOrder;
}

/** What is left of each limit that the request counts under, once its first hold is durable. */
export interface BudgetTold {
  kind: "budget_told";
  request: string;
  budgets: BudgetView[];
}

/** What is left of one limit; amounts in its unit, USD as a decimal. */
export interface BudgetView {
  account: string;
  unit: LimitUnit;
  window: LimitWindow;
  limit: string;
  /** Limit − posted − held. */
  remaining: string;
  /** When the window ends; null for `total`. */
  resetUs: Micros | null;
  /** It has left an answer so many tokens, as a threshold of it says; absent where it was used up. */
  maxTokens?: number;
  /** The account was a slice's that is closed, and that alone is to be told; absent for limits. */
  isClosed?: true;
}

/** Tell whoever has asked about a slice; what was done is durable. */
export interface AnswerSlice {
  kind: "answer_slice";
  ask: string;
  /** Null where there is an error. */
  slice: SliceView | null;
  error: HeadgateError | null;
}

/** A sub-account with a slice; amounts by unit, USD as a decimal. Of one that is closed little is remembered. */
export interface SliceView {
  account: string;
  status: "open" | "closed";
  amounts: Partial<Record<LimitUnit, string>>;
  /** What nobody holds or has used. */
  remaining: Partial<Record<LimitUnit, string>>;
  /** What has come free, once, when it is closed. */
  released?: Partial<Record<LimitUnit, string>>;
  expiresUs: Micros | null;
}

/** Send one attempt at a packet to an endpoint. */
export interface Dispatch {
  kind: "dispatch";
  attempt: string;
  request: string;
  /** The first of the client's choices that this packet answers, and how many. */
  choice: number;
  choices: number;
  worker: string;
  model: string;
  /** Ceiling on generated tokens of each choice, after planning. */
  maxTokens: number;
  /** Tokens of each choice that the endpoint may generate before it is granted more: what the hold covers. */
  creditTokens: number;
  /** Where the answer goes on that others have begun; null for one from its beginning. */
  resume: Resume | null;
  /** Whether it is to read the prompt only, and to park then; `attempt_parked` answers. */
  isPrefillOnly: boolean;
}

/** An answer that has been begun elsewhere. */
export interface Resume {
  /** The attempt before, whose tokens these are. */
  attempt: string;
  /** Tokens that have been relayed; the next one is the first that is wanted. */
  tokens: number;
  /** The worker that keeps the attempt's KV state; null where prompt and tokens have to be read again. */
  stateOn: string | null;
}

/** Stop the attempt between two tokens and keep its KV state; `attempt_parked` answers, or whatever ended it before. */
export interface ParkAttempt {
  kind: "park_attempt";
  attempt: string;
  /** Its worker is about to stop, or somebody more urgent takes its place. */
  reason: "draining" | "preempted";
}

/** Nobody will fetch the state of a parked attempt any more. */
export interface FreeState {
  kind: "free_state";
  worker: string;
  attempt: string;
}

/** A longer hold is durable: each choice may go on up to this many tokens in total. */
export interface GrantCredit {
  kind: "grant_credit";
  attempt: string;
  creditTokens: number;
}

/** Ask the worker what it knows of these attempts, which may or may not have been its own; `receipts_read` answers. */
export interface AskReceipts {
  kind: "ask_receipts";
  worker: string;
  attempts: string[];
}

/** Stop an attempt at its endpoint; nothing more is expected of it. */
export interface CancelAttempt {
  kind: "cancel_attempt";
  attempt: string;
  reason: string;
}

/** Pass the next `tokens` tokens of the attempt, already received, on to the client. */
export interface Relay {
  kind: "relay";
  request: string;
  choice: number;
  attempt: string;
  tokens: number;
}

/** One choice is answered; others of the same request may still be running. */
export interface FinishAnswer {
  kind: "finish_answer";
  request: string;
  choice: number;
  attempt: string;
  /** As OpenAI names it: `stop`, `length` and so on. */
  finishReason: string;
  /** The limit that ended it at this token or shortened it from the start; null when none did. */
  shortage: BudgetView | null;
}

/** Every choice is answered. */
export interface FinishRequest {
  kind: "finish_request";
  request: string;
  /** The prompt counts once, however many choices there are. */
  usage: TokenUsage;
  /** What the request was charged, all attempts together. */
  cost: Charge;
  budgets: BudgetView[];
}

/** Tell the client that there is no answer, or no more of it. */
export interface FailRequest {
  kind: "fail_request";
  request: string;
  error: HeadgateError;
}

/** Close the connection of a client that does not read. */
export interface DropClient {
  kind: "drop_client";
  request: string;
}

export interface AnswerHeartbeat {
  kind: "answer_heartbeat";
  report: string;
  /** Null when it is accepted. */
  refusal: HeartbeatRefusal | null;
}

export interface WorkerChanged {
  kind: "worker_changed";
  worker: string;
  status: WorkerStatus | "evicted";
  reason: string;
}

/** The request is over and owns nothing any more: log and count it. */
export interface RequestSettled {
  kind: "request_settled";
  record: SettledRecord;
}

/** Nobody has heard from the ledger for so long that what is held may be taken for lost: this process has to end. */
export interface LeaseLost {
  kind: "lease_lost";
}

/** Send `timer_fired` at this time; replaces the wake-up asked for before. */
export interface Wake {
  kind: "wake";
  atUs: Micros;
}

/** After `drain_asked`: nothing is running any more. */
export interface Drained {
  kind: "drained";
}
