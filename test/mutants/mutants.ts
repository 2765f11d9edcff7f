/** A fault planted in the source: `from` occurs exactly once in the file, and becomes `to`. */
export interface Mutant {
  name: string;
  /** Relative to `src`. */
  file: string;
  from: string;
  to: string;
}

/** Faults that the simulator has to find. Each stands for a kind of mistake that is easily made. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "a hold that is never voided",
    file: "core/budget/reservations.ts",
    from: "    this.#append(isUsed ? this.#budget.post(hold, used) : this.#budget.void(hold));",
    to: "    if (isUsed) this.#append(this.#budget.post(hold, used));",
  },
  {
    name: "a hold that is posted twice",
    file: "core/budget/reservations.ts",
    from: "    this.#append(isUsed ? this.#budget.post(hold, used) : this.#budget.void(hold));",
    to: `    const entry = isUsed ? this.#budget.post(hold, used) : this.#budget.void(hold);
    this.#append(entry);
    if (isUsed) this.#append(entry);`,
  },
  {
    name: "a failed attempt's use that is not charged",
    file: "core/supervisor.ts",
    from: "{ ...chargeFor(packet, usageSoFar(attempt)), requests: 0 }",
    to: "{ inputTokens: 0, outputTokens: 0, requests: 0 }",
  },
  {
    name: "a retry that is counted as a request of its own",
    file: "core/supervisor.ts",
    from: "{ ...chargeFor(packet, usageSoFar(attempt)), requests: 0 }",
    to: "chargeFor(packet, usageSoFar(attempt))",
  },
  {
    name: "an overage that is not recorded",
    file: "core/budget/budget.ts",
    from: "return covers(hold.worstCase, used) ? entry : ",
    to: "return hold.sequence > 0 ? entry : ",
  },
  {
    name: "a dispatch before its hold is durable",
    file: "core/budget/reservations.ts",
    from: "if (packet.hold.sequence > through) return;",
    to: "if (packet.hold.sequence > through + 1) return;",
  },
  {
    name: "a load that counts only what heartbeats say",
    file: "core/fleet/worker.ts",
    from: "return worker.attempts.size + worker.foreignSessions;",
    to: "return worker.foreignSessions;",
  },
  {
    name: "own sessions that are counted as others' too",
    file: "core/fleet/fleet.ts",
    from: "worker.foreignSessions = Math.max(0, report.sessions - own);",
    to: "worker.foreignSessions = report.sessions;",
  },
  {
    name: "a cancellation that is lost when the client leaves",
    file: "core/supervisor.ts",
    from: "this.#attempts.cancel(attempt, error?.code ?? outcome);",
    to: "this.#attempts.end(attempt);",
  },
  {
    name: "a cancellation that is lost when an attempt is silent",
    file: "core/supervisor.ts",
    from: `this.#turn.emit({ kind: "cancel_attempt", attempt: attempt.id, reason: "silent" });`,
    to: "",
  },
  {
    name: "a retry on the endpoint that has failed",
    file: "core/placement/placement.ts",
    from: "!packet.tried.has(endpoint.id) && ",
    to: "",
  },
  {
    name: "a retry without end",
    file: "core/dispatching/retry.ts",
    from: " || packet.tried.size > retriesMax",
    to: "",
  },
  {
    name: "a retry after the client was shown tokens",
    file: "core/dispatching/retry.ts",
    from: "return !packet.request.arrival.streamed || attempt.generatedTokens === 0;",
    to: "return true;",
  },
  {
    name: "tokens relayed beyond the credit",
    file: "core/streaming/meter.ts",
    from: "Math.min(tokens, attempt.creditTokens - attempt.generatedTokens)",
    to: "tokens",
  },
  {
    name: "tokens that are dropped at the credit's edge",
    file: "core/streaming/meter.ts",
    from: "Math.min(tokens, attempt.creditTokens - attempt.generatedTokens)",
    to: "tokens > attempt.creditTokens - attempt.generatedTokens ? 0 : tokens",
  },
  {
    name: "a session that is not freed when its answer is complete",
    file: "core/fleet/fleet.ts",
    from: "    endpoint.inFlight--;\n",
    to: "",
  },
  {
    name: "KV cache that is freed as it was planned and not as it was corrected",
    file: "core/fleet/fleet.ts",
    from: "    attempt.kvBytes = kvBytes;\n",
    to: "",
  },
  {
    name: "freed capacity that wakes nobody",
    file: "core/supervisor.ts",
    from: "    if (stoodInLine) this.#placeWaiting(request.model);\n",
    to: "",
  },
  {
    name: "new packets that are kept waiting by one that has been tried",
    file: "core/queueing/queue.ts",
    from: "return (this.#lines.get(model)?.fresh.size ?? 0) > 0;",
    to: "return this.#lines.has(model);",
  },
  {
    name: "a remote document that is taken for silence",
    file: "core/streaming/meter.ts",
    from: "if (isRemote(endpoint.worker) && !packet.request.arrival.streamed) return Infinity;",
    to: "if (isRemote(endpoint.worker) && attempt.packet !== packet) return Infinity;",
  },
  {
    name: "a queue that is served from its end",
    file: "core/queueing/queue.ts",
    from: "yield* line.fresh;",
    to: "yield* [...line.fresh].reverse();",
  },
  {
    name: "a queue without a limit",
    file: "core/queueing/queue.ts",
    from: "this.#packets < this.#limits.queuePacketsMax",
    to: "this.#packets >= 0",
  },
  {
    name: "a queue timeout that is lost",
    file: "core/supervisor.ts",
    from: `return this.#fail(deadline.packet.request, noCapacity("queue_timeout"));`,
    to: "return;",
  },
  {
    name: "a total timeout that is lost",
    file: "core/supervisor.ts",
    from: "return this.#totalTimeout(deadline.request);",
    to: "return;",
  },
  {
    name: "a slow client that is never dropped",
    file: "core/supervisor.ts",
    from: `return this.#settle(deadline.request, "dropped");`,
    to: "return;",
  },
  {
    name: "a slow client whose patience is not restored when it reads again",
    file: "core/supervisor.ts",
    from: "    this.#turn.cancel(request.slowClient);\n    request.slowClient = null;",
    to: "    request.slowClient = null;",
  },
  {
    name: "a silent attempt that is waited for without end",
    file: "core/supervisor.ts",
    from: "if (this.#attempts.isSilent(deadline.attempt)) this.#giveUp(deadline.attempt);",
    to: "this.#attempts.isSilent(deadline.attempt);",
  },
  {
    name: "a heartbeat that is believed whatever its clock says",
    file: "core/fleet/fleet.ts",
    from: `if (ageMs > this.#heartbeats.behindMs || -ageMs > this.#heartbeats.aheadMs) return refused("timestamp");`,
    to: "",
  },
  {
    name: "a heartbeat that is believed after a later one",
    file: "core/fleet/fleet.ts",
    from: `if (report.timestampMs < known.reportedMs) return refused("timestamp");`,
    to: "",
  },
  {
    name: "a restart that goes unnoticed",
    file: "core/fleet/fleet.ts",
    from: "const lost = [...known.attempts];",
    to: "const lost: Attempt[] = [];",
  },
  {
    name: "a stale worker that is given work",
    file: "core/fleet/fleet.ts",
    from: `if (worker.status === "alive") append`,
    to: `if (worker.status !== "draining") append`,
  },
  {
    name: "a dead worker that is never forgotten",
    file: "core/fleet/health.ts",
    from: "if (silentUs >= this.#limits.deadUs) return true;",
    to: "if (silentUs >= this.#limits.deadUs) return false;",
  },
  {
    name: "a draining worker that is given work",
    file: "core/fleet/fleet.ts",
    from: `report.draining ? "draining" : "alive"`,
    to: `"alive"`,
  },
  {
    name: "a system limit of sessions that is not looked at",
    file: "core/fleet/fleet.ts",
    from: "return this.#sessions < sessionsMax && ",
    to: "return sessionsMax > 0 && ",
  },
  {
    name: "a system limit of KV cache that the last session may pass",
    file: "core/fleet/fleet.ts",
    from: "this.#kvBytes + kvBytes <= kvBytesMax;",
    to: "this.#kvBytes + kvBytes * 0 < kvBytesMax;",
  },
  {
    name: "a stop that waits for ever",
    file: "core/supervisor.ts",
    from: `if (this.#draining && this.#requests.size === 0) this.#turn.emit({ kind: "drained" });`,
    to: "",
  },
];
