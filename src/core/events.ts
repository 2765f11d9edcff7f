import type { RateShortage } from "./admission/rate-limits.ts";
import type { DoubtfulPost, LedgerState } from "./budget/accounts.ts";
import type { Charge } from "./budget/charge.ts";
import type { Known } from "./budget/limited-accounts.ts";
import type { LimitRow } from "./budget/limits.ts";
import type { SliceTerms } from "./budget/slice.ts";
import type { Scheduling } from "./config.ts";
import type { SliceView } from "./effects.ts";
import type { HeadgateError } from "./errors.ts";
import type { LeasePlace } from "./leasing/lease.ts";
import type { Micros } from "./units.ts";
import type {
  FailureReason,
  ServedModel,
  Slo,
  TokenUsage,
  WorkerDialect,
  WorkerLimits,
  WorkerRole,
} from "./vocabulary.ts";

/**
 * Everything that can happen to a supervisor. Events are plain data: they can be written to
 * a file, read back in another process and handled again with the same result. They carry no
 * prompt and no answer; bodies stay in the shell, which knows them by the ids given here.
 */
export type SupervisorEvent =
  | RequestArrived
  | ClientGone
  | ClientBlocked
  | ClientDrained
  | LedgerRestored
  | LimitsChanged
  | SliceAsked
  | LedgerDurable
  | LedgerTouched
  | LeaseAnswered
  | LeaseRecalled
  | TurnGiven
  | SliceComing
  | SliceSettled
  | SliceClosing
  | SliceTold
  | DoubtsLeft
  | HeartbeatReceived
  | ReceiptsRead
  | WorkerLeft
  | AttemptStarted
  | AttemptOutput
  | ChoiceFinished
  | AttemptFinished
  | AttemptFailed
  | AttemptParked
  | TimerFired
  | PolicySet
  | DrainAsked;

/** A well-formed request from an authenticated client. */
export interface RequestArrived {
  kind: "request_arrived";
  /** Unique for ever; attempts derive their ids from it. */
  request: string;
  tenant: string;
  /** The key it came with; null for a call that needs none. Tenant and key name the account that pays. */
  key: string | null;
  /** Path of the account that pays, where it is another than `global/tenant/key`: deeper, or with levels between. */
  account?: string;
  /** As the client named it: a model, or an alias such as `default`. */
  model: string;
  /** Upper bound of the prompt's length in tokens, before a tokenizer has seen it. */
  promptTokensMax: number;
  /** Size of the request body, for the queue's limit in bytes. */
  bodyBytes: number;
  /** Ceiling on generated tokens for each choice; null when the client named none. */
  maxTokens: number | null;
  /** How many independent answers the client asked for (`n`), at least 1. */
  choices: number;
  /** How long it would rather wait for its budget than be refused; 0 for not at all. */
  budgetWaitUs: Micros;
  /** True when tokens go out as they come; a buffered answer can still start over on another endpoint. */
  streamed: boolean;
  hints: Hints;
}

/** What scheduling may go by besides the size of a request. */
export interface Hints {
  /** Name of a priority band; null for the usual one. */
  priority: string | null;
  /** Whom it is to be counted with in fair queueing, where a header decides that; null otherwise. */
  flow: string | null;
  /** Requests of one conversation or agent share a name, and with it most of a prompt. */
  session: string | null;
  /** The prompt in blocks: each number stands for a block and all before it. Empty when it is not known. */
  blocks: readonly number[];
  /** What its endpoint must have, by label, such as `region: eu`. */
  labels: Readonly<Record<string, string>>;
  /** Time to the first token, and for each further one, that the client hopes for; null for the configured ones. */
  slo: Slo | null;
}

/** Of a request of which nothing is known. */
export const NO_HINTS: Hints = {
  priority: null,
  flow: null,
  session: null,
  blocks: [],
  labels: {},
  slo: null,
};

/** The client's connection closed before its answer was complete. */
export interface ClientGone {
  kind: "client_gone";
  request: string;
}

/** The client reads slower than tokens come: its send buffer is full. */
export interface ClientBlocked {
  kind: "client_blocked";
  request: string;
}

/** A blocked client has read its buffer empty. */
export interface ClientDrained {
  kind: "client_drained";
  request: string;
}

/** What the ledger holds when the process starts: always the first event. Holds in it are nobody's any more. */
export interface LedgerRestored {
  kind: "ledger_restored";
  state: LedgerState;
  limits: LimitRow[];
  /** One of several that share the ledger: it has nothing but its leases. Absent for one that has the ledger to itself. */
  isReplica?: boolean;
  /** What one of several has to know of slices, which are not in its `state`; none if absent. */
  slices?: SlicesKnown;
}

/** Slices, for those who draw on them and don't keep them. */
export interface SlicesKnown {
  open: readonly SliceTerms[];
  /** Accounts that may become a slice's, by the number of the opening. */
  coming: readonly Omit<SliceComing, "kind">[];
  /** Sub-accounts that were closed, the latest. */
  closed: readonly string[];
}

/** Limits were set or removed; those not named stay as they are. A window that is new is known as of one entry. */
export interface LimitsChanged {
  kind: "limits_changed";
  limits: LimitRow[];
  /** Of the windows that these limits are for. */
  known: Known;
}

/** Somebody opens, looks at, or closes a sub-account with a slice of the money above it; `answer_slice` answers. */
export type SliceAsked = {
  kind: "slice_asked";
  /** Names the question in its answer. */
  ask: string;
  /** Path of the sub-account from the root. */
  account: string;
} & (SliceOpening | { action: "show" | "close" });

export interface SliceOpening {
  action: "open";
  /** The key's account, at or above the one that the slice is taken from. */
  payer: string;
  /** More than nothing of each part that the slice is of, and nothing of the others. */
  amounts: Charge;
  /** It is closed by itself after so long; null for the usual time. */
  ttlUs: Micros | null;
  /** Name of a priority band, for limits that go by that; null for the usual one. */
  priority: string | null;
}

/** Every ledger entry up to and including `through` survives a crash from now on. */
export interface LedgerDurable {
  kind: "ledger_durable";
  through: number;
}

/** Whoever keeps the ledger has answered; its clock says when it was asked. */
export interface LedgerTouched {
  kind: "ledger_touched";
  /** By this supervisor's clock. */
  sentUs: Micros;
  /** The ledger's clock, which this one's follows where it is behind. */
  ledgerUs: Micros;
}

/** What came of an ask. */
export interface LeaseAnswered {
  kind: "lease_answered";
  ask: number;
  /** For each of its places. */
  grants: LeaseGrant[];
  /** For each of those that it is told about. */
  news: LeaseNews[];
  /** The ledger's clock, which this one's follows where it is behind. */
  ledgerUs: Micros;
}

/** How a limit stands at the desk; amounts are decimal integers in its unit. */
export interface LeaseNews {
  /** By all: posted, held, and held or leased. */
  posted: string;
  held: string;
  reserved: string;
  /** What that replica has taken there since its lease began, as far as its entries were read. */
  taken: string;
}

/** What the ask has brought. */
export interface LeaseGrant extends LeaseNews {
  /** What the lease has more. */
  granted: string;
  /** Nobody has anything left to give: there is no more of it at the moment. */
  isAll: boolean;
}

/** Somebody else has need of what is not used: it has to be given back, even if that is nothing. */
export interface LeaseRecalled extends LeasePlace {
  kind: "lease_recalled";
  recall: number;
}

/** Whether a request may come in by the rates that all supervisors share. */
export interface TurnGiven {
  kind: "turn_given";
  request: string;
  /** Null when it may. */
  shortage: RateShortage | null;
}

/** That account may become a slice's: nothing at or below it is to take anything until `slice_settled`. */
export interface SliceComing {
  kind: "slice_coming";
  opening: number;
  account: string;
}

/** What has come of the opening. */
export interface SliceSettled {
  kind: "slice_settled";
  opening: number;
  /** Null where it was refused. */
  slice: SliceTerms | null;
}

/** The account's slice is about to be closed, with those inside it: nothing is to take from them any more. */
export interface SliceClosing {
  kind: "slice_closing";
  closing: number;
  account: string;
}

/** The answer to somebody who has asked about a slice; what it tells of is durable. */
export interface SliceTold {
  kind: "slice_told";
  ask: string;
  /** Null where there is an error. */
  slice: SliceView | null;
  error: HeadgateError | null;
}

/** What another replica had left open is posted in doubt: receipts about it are to be asked for. */
export interface DoubtsLeft {
  kind: "doubts_left";
  posts: DoubtfulPost[];
}

/** A worker's report on itself; its first one registers it. */
export interface HeartbeatReceived {
  kind: "heartbeat_received";
  /** Names this report in the answer to it. */
  report: string;
  worker: string;
  url: string;
  /** How it is spoken to: in Headgate's own words, or in those of a worker that knows prefill and decode only. */
  dialect: WorkerDialect;
  /** Changes whenever the worker process restarts; empty for one that does not say. */
  epoch: string;
  /** The worker's clock when it wrote the report, in ms since the Unix epoch. */
  timestampMs: number;
  /** The supervisor's clock when it read the report, in ms since the Unix epoch. */
  receivedMs: number;
  draining: boolean;
  limits: WorkerLimits;
  /** What it is used for: whole answers, or one half of them. */
  role: WorkerRole;
  labels: Readonly<Record<string, string>>;
  models: ServedModel[];
  /** Generations running on the worker, whoever sent them. */
  sessions: number;
  /** Those among `sessions` that this supervisor sent; null when the worker cannot tell. */
  ownSessions: number | null;
  /** Bytes of KV cache held by those sessions. */
  kvBytes: number;
  /** Counts the engine's work, in tokens read and generated: it stands still when the engine does. Null when not told. */
  progress: number | null;
  /** What the KV cache holds that can be used again; null when the worker does not say. */
  cache: CacheReport | null;
}

/** Blocks by the number that stands for them and all before them, as in `Hints.blocks`. */
export interface CacheReport {
  /** Counts the worker's reports of this kind; 0 for one that says all there is. A gap means that one was lost. */
  sequence: number;
  stored: readonly number[];
  removed: readonly number[];
}

/** What a worker has on paper of generations that nobody heard the end of. */
export interface ReceiptsRead {
  kind: "receipts_read";
  worker: string;
  receipts: Receipt[];
}

/** What one attempt came to on the worker that wrote it down. */
export interface Receipt {
  attempt: string;
  model: string;
  /** Tokens generated there, and not those of workers before it. */
  usage: TokenUsage;
  /** Tokens of the answer that others had generated before. */
  continuedFrom: number;
  /** It was parked, for another attempt to go on with. */
  isParked: boolean;
  /** For how long it took places there, all of them together; absent where it does not say. */
  ranUs?: Micros;
}

/** A worker said good-bye, or its process was seen to end. */
export interface WorkerLeft {
  kind: "worker_left";
  worker: string;
  /** Which of its lives has ended; null when that is not known. */
  epoch: string | null;
  reason: string;
}

/** The endpoint has read the whole prompt; the first token is next. */
export interface AttemptStarted {
  kind: "attempt_started";
  attempt: string;
  promptTokens: number;
  cachedTokens: number;
}

/** Tokens have arrived, in the order generated; the shell holds their text until told to relay it. */
export interface AttemptOutput {
  kind: "attempt_output";
  attempt: string;
  /** Counted from 0 among the choices of the attempt. */
  choice: number;
  tokens: number;
  /** What they can be at most, where they were not counted; as `tokens` if absent. */
  tokensMax?: number;
}

/** One of an attempt's several choices is complete, and others are not. */
export interface ChoiceFinished {
  kind: "choice_finished";
  attempt: string;
  choice: number;
  finishReason: string;
}

/** The endpoint ended the generation by itself; the reason is that of every choice not finished before. */
export interface AttemptFinished {
  kind: "attempt_finished";
  attempt: string;
  finishReason: string;
  usage: TokenUsage;
}

/** The endpoint refused, broke off or could not be reached. */
export interface AttemptFailed {
  kind: "attempt_failed";
  attempt: string;
  reason: FailureReason;
  /** For people: what was seen, in at most 500 characters. */
  message: string;
}

/**
 * The endpoint has stopped the generation between two tokens, as it was asked to. All tokens up to there have been
 * told.
 */
export interface AttemptParked {
  kind: "attempt_parked";
  attempt: string;
  /** Whether it keeps the KV state for another one to fetch. */
  hasState: boolean;
}

/** The wake-up asked for by the last `wake` effect. */
export interface TimerFired {
  kind: "timer_fired";
}

/** Scheduling goes on with other policies; whatever waits or runs is kept. */
export interface PolicySet {
  kind: "policy_set";
  scheduling: Partial<Scheduling>;
}

/** The process is asked to stop: no new requests, the running ones finish. */
export interface DrainAsked {
  kind: "drain_asked";
}
