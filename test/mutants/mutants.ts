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
    from: `return this.#release(this.#budget.void(hold, nowUs));`,
    to: `return;`,
  },
  {
    name: "a hold that is posted twice",
    file: "core/budget/reservations.ts",
    from: `    request.charged = plus(request.charged, entry.charge);
`,
    to: `    request.charged = plus(request.charged, entry.charge);
    this.#release(entry);
`,
  },
  {
    name: "a failed attempt's use that is not charged",
    file: "core/dispatching/recovery.ts",
    from: "    reservations.close(packet, use);\n",
    to: `    reservations.close(packet, "none");\n`,
  },
  {
    name: "a retry that is counted as a request of its own",
    file: "core/budget/coverage.ts",
    from: "choice === 0 && request.charged.requests === 0 ? 1 : 0",
    to: "choice === 0 ? 1 : 0",
  },
  {
    name: "an overage that is not recorded",
    file: "core/budget/budget.ts",
    from: "overage: excess(used, hold.charge)",
    to: "overage: null",
  },
  {
    name: "a dispatch before its hold is durable",
    file: "core/budget/reservations.ts",
    from: "next !== undefined && next.sequence <= through)",
    to: "next !== undefined && next.sequence <= through + 1)",
  },
  {
    name: "a load that counts only what heartbeats say",
    file: "core/fleet/worker.ts",
    from: "return worker.ownSessions + worker.foreignSessions;",
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
    file: "core/dispatching/recovery.ts",
    from: `this.#parts.turn.emit({ kind: "cancel_attempt", attempt: attempt.id, reason: "silent" });`,
    to: "",
  },
  {
    name: "a retry on the endpoint that has failed",
    file: "core/placement/placement.ts",
    from: "if (packet.tried.size > 0 && packet.tried.has(lifeOf(endpoint))) return false;",
    to: "",
  },
  {
    name: "a retry without end",
    file: "core/dispatching/retry.ts",
    from: " || packet.failures > retriesMax",
    to: "",
  },
  {
    name: "a retry after the client was shown tokens",
    file: "core/dispatching/retry.ts",
    from: "return packet.carried !== null || !packet.request.arrival.streamed || attempt.generatedTokens === 0;",
    to: "return true;",
  },
  {
    name: "tokens relayed beyond the credit",
    file: "core/streaming/meter.ts",
    from: "Math.max(0, Math.min(tokens, attempt.creditTokens - stream.generatedTokens))",
    to: "tokens",
  },
  {
    name: "tokens that are dropped at the credit's edge",
    file: "core/streaming/meter.ts",
    from: "Math.max(0, Math.min(tokens, attempt.creditTokens - stream.generatedTokens))",
    to: "tokens > attempt.creditTokens - stream.generatedTokens ? 0 : tokens",
  },
  {
    name: "a session that is not freed when its answer is complete",
    file: "core/fleet/fleet.ts",
    from: `    endpoint.inFlight -= slots;
`,
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
    from: "return line !== undefined && line.waiting > line.again;",
    to: "return line !== undefined;",
  },
  {
    name: "a remote document that is taken for silence",
    file: "core/streaming/meter.ts",
    from: "if (isRemote(endpoint.worker) && !packet.request.arrival.streamed) return Infinity;",
    to: "if (isRemote(endpoint.worker) && attempt.packet !== packet) return Infinity;",
  },
  {
    name: "a queue that is served from its end",
    file: "core/queueing/policies/fairness/fcfs-flows.ts",
    from: "rank: ({ next }) => next!.sequence",
    to: "rank: ({ next }) => -next!.sequence",
  },
  {
    name: "a queue without a limit",
    file: "core/queueing/queue.ts",
    from: "this.#packets < packetsMax",
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
    from: "if (this.#attempts.isSilent(deadline.attempt)) this.#recovery.silent(deadline.attempt);",
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
    from: `if (worker.status === "alive" && !worker.isStalled) append`,
    to: `if (worker.status !== "draining" && !worker.isStalled) append`,
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
    from: "this.#sessions + sessions <= sessionsMax && ",
    to: "sessionsMax > 0 && ",
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
  {
    name: "an overage that is charged to nobody",
    file: "core/budget/budget.ts",
    from: `return this.#end("post", hold, { charge: used, nowUs, overage: excess(used, hold.charge) });`,
    to: `return this.#end("post", hold, { charge: excess(used, hold.charge) === null ? used : hold.charge, nowUs });`,
  },
  {
    name: "a hold that is made longer whatever the limit",
    file: "core/budget/budget.ts",
    from: "const shortage = this.#shortage(account, more, atUs);",
    to: "const shortage = null as Shortage | null;",
  },
  {
    name: "a limit that does not bind those below it",
    file: "core/budget/budget.ts",
    from: "limits = pathOf(account).flatMap",
    to: "limits = [account].flatMap",
  },
  {
    name: "a charge that the accounts above do not feel",
    file: "core/budget/accounts.ts",
    from: "path = pathOf(name).map",
    to: "path = [name].map",
  },
  {
    name: "a limit that has been lowered, and is not noticed",
    file: "core/budget/budget.ts",
    from: `    this.#limitsOnPath.clear();
`,
    to: "",
  },
  {
    name: "a day whose limit counts for ever",
    file: "core/budget/accounts.ts",
    from: `const balance = window === "total" ? known?.total`,
    to: "const balance = window !== null ? known?.total",
  },
  {
    name: "use that counts when it is posted and not when it was held",
    file: "core/budget/accounts.ts",
    from: "this.#addPosted(entry.account, part.atUs, share);",
    to: "this.#addPosted(entry.account, entry.atUs, share);",
  },
  {
    name: "a price that is rounded down",
    file: "core/budget/money.ts",
    from: "(tokens + TOKENS_PER_PRICE - 1n) / TOKENS_PER_PRICE",
    to: "tokens / TOKENS_PER_PRICE",
  },
  {
    name: "a ledger whose clock goes back",
    file: "core/budget/budget.ts",
    from: "this.#clockUs = Math.max(nowUs, this.#clockUs);",
    to: "this.#clockUs = nowUs;",
  },
  {
    name: "credit that is granted before it is durable",
    file: "core/streaming/streams.ts",
    from: `    attempt.isShort = shortage !== null;
`,
    to: `    attempt.isShort = shortage !== null;
    const creditTokens = packet.heldTokens;
    if (shortage === null) this.#turn.emit({ kind: "grant_credit", attempt: attempt.id, creditTokens });
`,
  },
  {
    name: "a choice that goes on after its budget has cut it short",
    file: "core/streaming/streams.ts",
    from: `if (short && isLastCall) return this.#cut(attempt, stream, short.shortage);
    if (short || isOnItsWay`,
    to: "if (short === null || isOnItsWay",
  },
  {
    name: "the last tokens of a budget, which nobody gets",
    file: "core/budget/reservations.ts",
    from: `if ("limit" in result && isLastCall) {`,
    to: `if ("limit" in result && isLastCall && tokens < 0) {`,
  },
  {
    name: "money that comes free and wakes nobody",
    file: "core/budget/reservations.ts",
    from: "if (this.#unfunded.has(account)) this.#freed.add(account);",
    to: "if (!this.#unfunded.has(account)) this.#freed.add(account);",
  },
  {
    name: "midnight that wakes nobody",
    file: "core/budget/funding.ts",
    from: `shortage.limit.window === "day" ? dayEnd(this.#turn.nowUs) : Infinity`,
    to: "Infinity",
  },
  {
    name: "somebody who waits for a budget without end",
    file: "core/budget/funding.ts",
    from: "const atUs = Math.min(patienceUs, windowEndUs);",
    to: "const atUs = windowEndUs;",
  },
  {
    name: "limits that are forgotten in a crash",
    file: "core/budget/reservations.ts",
    from: "    this.#budget = new Budget(state);\n    this.#budget.setLimits(limits);\n",
    to: "    this.#budget = new Budget(state);\n",
  },
  {
    name: "a hold of an earlier life that is left open",
    file: "core/budget/reservations.ts",
    from: `      this.#append(this.#budget.postInDoubt(id, this.#turn.nowUs));
`,
    to: "",
  },
  {
    name: "a hold of an earlier life that is given back",
    file: "core/budget/reservations.ts",
    from: "this.#append(this.#budget.postInDoubt(id, this.#turn.nowUs));",
    to: "this.#append(this.#budget.void(id, this.#turn.nowUs));",
  },
  {
    name: "a receipt that puts another hold right",
    file: "core/budget/reservations.ts",
    from: "post === undefined || !this.#mayCover(hold, attempt)",
    to: "post === undefined",
  },
  {
    name: "entries that are called durable before they are",
    file: "ledger/group-commit.ts",
    from: `    this.#store.write(group, (error) => {
`,
    to: `    if (wasAwaited) this.#submit({ kind: "ledger_durable", through: group.at(-1)!.sequence });
    this.#store.write(group, (error) => {
`,
  },
  {
    name: "a group that is given up when it could not be written",
    file: "ledger/group-commit.ts",
    from: `if (error !== null) return this.#store.defer(() => this.#write(group, wasAwaited), "retry");`,
    to: "",
  },
  {
    name: "a group that is never written because nobody waits for it",
    file: "ledger/group-commit.ts",
    from: "if (!this.#isWriting && (isFirst || isFirstAwaited)) this.#defer();",
    to: "if (!this.#isWriting && isFirstAwaited) this.#defer();",
  },
  {
    name: "a worker called silent that waits for its credit",
    file: "core/dispatching/attempts.ts",
    from: " || heldTokens > creditTokens",
    to: "",
  },
];
