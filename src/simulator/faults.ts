import type { Random } from "../core/random.ts";

/** Everything that can go wrong in the virtual world, by name. */
export const FAULTS = {
  worker_crash: "a worker process ends at once; its connections are reset",
  silent_crash: "a worker machine is gone; nothing resets its connections",
  late_reset: "connections of a crashed worker are reset seconds later",
  exit_seen: "somebody who watches the process reports that it has ended",
  worker_restart: "a crashed worker comes back under the same id with a new epoch",
  worker_drain: "a worker refuses new work, finishes what it has and deregisters",
  prefill_hang: "an engine never finishes reading a prompt",
  decode_stall: "an engine stops in the middle of an answer",
  stream_cut: "a connection breaks while its worker lives",
  endpoint_error: "an endpoint answers with a server error",
  request_rejected: "an endpoint refuses the request itself",
  overrun: "an engine generates more than it was given credit for",
  long_prompt: "a prompt is longer than its bound",
  state_lost: "a worker stops an answer as it was asked to, and can't keep its KV state",
  state_not_fetched: "a worker can't load the KV state that another one keeps for it",
  engine_stall: "an engine stands still for seconds while its worker goes on reporting",
  engine_slow: "an engine takes ten times as long for each step",
  partition:
    "a worker is cut off for seconds, perhaps until it is given up, and then is back with what it had",
  foreign_load: "other supervisors take slots of a worker",
  heartbeat_lost: "a heartbeat does not arrive",
  heartbeat_late: "a heartbeat arrives late, perhaps behind its successor",
  heartbeat_duplicated: "a heartbeat arrives twice",
  clock_skew: "a worker's clock is wrong by seconds",
  network_delay: "a message takes a hundred times as long as usual",
  crossing_event: "an event about an attempt arrives after the attempt was cancelled",
  client_disconnect: "a client leaves before its answer is complete",
  slow_client: "a client reads more slowly than tokens come",
  stuck_client: "a client stops reading and stays",
  credit_lost: "a grant of more credit does not reach its worker",
  overbilling: "a remote endpoint bills more than its declared maximum",
  slow_disk: "the ledger's disk takes seconds to make entries durable",
  write_error: "a group of entries can't be written, or is said not to have been",
  policy_change: "an operator replaces the scheduling policies while requests wait and run",
  limit_change: "an operator sets a limit, changes it or takes it away",
  crash: "the supervisor's process is killed at any time",
  crash_before_write: "it is killed when it is about to write a group of entries",
  crash_before_sync: "it is killed while a group is on its way to the disk, which may get there",
  crash_before_ack: "it is killed when a group is durable and it does not know yet",
  crash_between_effects: "it is killed in the middle of what it has decided on one event",
  crash_in_recovery: "it is killed again before it has made up for the last time",
  clock_set_back: "its machine's clock is set back while it is away",
  early_stop: "the supervisor is told to stop in the middle of its work",
} as const satisfies Record<string, string>;

/** What can go wrong besides where several supervisors share a ledger; `crash…` is then the machine that keeps it, with all of them. */
export const SHARED_FAULTS = {
  replica_crash: "one of several supervisors is killed at any time",
  crash_after_ask: "it is killed when it has asked for a lease, which it may get",
  crash_before_answer: "it is killed while the answer to its ask is on its way",
  keeper_partition: "a supervisor and whoever keeps the ledger don't hear of each other for a while",
  keeper_deaf: "what a supervisor sends does not arrive for a while, though it hears everything",
  keeper_mute: "nothing arrives at a supervisor for a while, though all that it sends does",
  keeper_delay: "a message between them takes a hundred times as long as usual",
  clock_offset: "clocks of supervisors differ by seconds",
  clock_drift: "clocks of supervisors lose up to a tenth of the time",
} as const satisfies Record<string, string>;

export type Fault = keyof typeof FAULTS | keyof typeof SHARED_FAULTS;

export const ALL_FAULTS = Object.keys(FAULTS) as readonly Fault[];

/** Those of a world with several supervisors. */
export const ALL_SHARED_FAULTS = [...ALL_FAULTS, ...Object.keys(SHARED_FAULTS)] as readonly Fault[];

/** Which faults may strike in one run, and how often each has. */
export class FaultPlan {
  readonly #enabled: ReadonlySet<Fault>;
  readonly #random: Random;
  readonly #counts = new Map<Fault, number>();
  #isOver = false;

  constructor(enabled: Iterable<Fault>, random: Random) {
    this.#enabled = new Set(enabled);
    this.#random = random;
  }

  get isEmpty(): boolean {
    return this.#enabled.size === 0;
  }

  allows(fault: Fault): boolean {
    return this.#enabled.has(fault);
  }

  /** From now on all goes well. */
  cease(): void {
    this.#isOver = true;
  }

  /** Whether the fault strikes this time; if so, it is counted. */
  strikes(fault: Fault, probability: number): boolean {
    if (this.#isOver || !this.#enabled.has(fault) || !this.#random.chance(probability)) return false;
    this.#counts.set(fault, (this.#counts.get(fault) ?? 0) + 1);
    return true;
  }

  /** How often each fault has struck, in the order of the table. */
  counts(): Partial<Record<Fault, number>> {
    const counts: Partial<Record<Fault, number>> = {};
    for (const fault of ALL_SHARED_FAULTS) {
      const count = this.#counts.get(fault);
      if (count !== undefined) counts[fault] = count;
    }
    return counts;
  }
}

/**
 * Each run gets its own selection of faults, and every eighth none at all: where everything
 * fails at the same time, the rarer failures never get far enough to be seen.
 */
export function drawFaults(random: Random, among: readonly Fault[] = ALL_FAULTS): Fault[] {
  if (random.chance(1 / 8)) return [];
  const share = random.pick([0.15, 0.4, 0.7]);
  return among.filter(() => random.chance(share));
}
