import type {
  AnswerHeartbeat,
  AnswerSlice,
  AppendLedger,
  AskReceipts,
  BudgetTold,
  CancelAttempt,
  Dispatch,
  DropClient,
  Effect,
  FailRequest,
  FinishAnswer,
  FinishRequest,
  FreeState,
  GrantCredit,
  OrderLease,
  ParkAttempt,
  Relay,
  RequestSettled,
  WorkerChanged,
} from "../core/effects.ts";
import type { SupervisorEvent } from "../core/events.ts";
import type { Micros } from "../core/units.ts";

/**
 * All ways in which the loop reaches the world. Production puts sockets, disks and clocks
 * behind them, the simulator a virtual world; nothing else differs between the two.
 *
 * A port answers by submitting events to the loop, at once or later.
 */
export interface Ports {
  timer: TimerPort;
  ledger: LedgerPort;
  endpoints: EndpointsPort;
  clients: ClientsPort;
  workers: WorkersPort;
  observer: ObserverPort;
}

export interface TimerPort {
  nowUs(): Micros;
  /** Submit `timer_fired` at that time, instead of at the time asked for before. */
  wake(atUs: Micros): void;
}

export interface LedgerPort {
  /** Write the entry; submit `ledger_durable` once it would survive a crash. */
  append(effect: AppendLedger): void;
  /** Tell the desk of leases, behind what was appended before; submit `lease_answered` for an ask. */
  order(effect: OrderLease): void;
}

export interface EndpointsPort {
  /** Send the attempt; submit `attempt_started`, `_output` and `choice_finished`, then `_finished` or `_failed`. */
  dispatch(effect: Dispatch): void;
  /** Let the attempt go on; submit nothing, whatever becomes of it. */
  grantCredit(effect: GrantCredit): void;
  /** Submit `receipts_read` with what the worker knows, if it answers and knows anything. */
  askReceipts(effect: AskReceipts): void;
  /** Submit `attempt_parked` once it has stopped between two tokens, or else however it ended before. */
  park(effect: ParkAttempt): void;
  /** Submit nothing, whatever becomes of it. */
  freeState(effect: FreeState): void;
  /** Stop the attempt; submit nothing about it any more. */
  cancel(effect: CancelAttempt): void;
}

export interface ClientsPort {
  tellBudgets(effect: BudgetTold): void;
  answerSlice(effect: AnswerSlice): void;
  relay(effect: Relay): void;
  finishAnswer(effect: FinishAnswer): void;
  finish(effect: FinishRequest): void;
  fail(effect: FailRequest): void;
  drop(effect: DropClient): void;
}

export interface WorkersPort {
  answerHeartbeat(effect: AnswerHeartbeat): void;
}

export interface ObserverPort {
  /** Called for each event before it is handled, in order: this is what a recording is made of. */
  event(nowUs: Micros, event: SupervisorEvent): void;
  /** Called with the effects of each event before they are carried out. */
  effects(effects: readonly Effect[]): void;
  settled(effect: RequestSettled): void;
  workerChanged(effect: WorkerChanged): void;
  /** Nothing is running any more, after `drain_asked`. */
  drained(): void;
  /** The process has to end: others may take what it held for lost. */
  leaseLost(): void;
}
