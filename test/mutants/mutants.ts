/** A fault planted in the source: `from` occurs exactly once in the file, and becomes `to`. */
export interface Mutant {
  name: string;
  /** Relative to `src`. */
  file: string;
  from: string;
  to: string;
  /** A seed that shows it, where none of the first does: looked at before them. */
  seed?: number;
  /** Looked for in worlds with several supervisors on one ledger. */
  isShared?: boolean;
}

/** Faults that the simulator has to find. Each stands for a kind of mistake that is easily made. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "time on GPUs of attempts before that is forgotten",
    file: "core/dispatching/attempts.ts",
    from: "packet.usedGpuUs += gpuTime",
    to: "packet.usedGpuUs = gpuTime",
  },
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
    name: "a request that is counted with each of its packets",
    file: "core/budget/coverage.ts",
    from: "choice === 0 && request.charged.requests === 0 ? 1 : 0",
    to: "request.charged.requests === 0 ? 1 : 0",
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
    from: "    for (const { endpoint } of running) this.#places.fillOn(endpoint.worker);\n",
    to: "",
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
    file: "core/queueing/waiting-room.ts",
    from: "this.#packets < packetsMax",
    to: "this.#packets >= 0",
  },
  {
    name: "a queue timeout that is lost",
    file: "core/supervisor.ts",
    from: `return this.#places.refuse(deadline.packet, "queue_timeout");`,
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
    file: "core/fleet/worker.ts",
    from: `return status === "alive" && !isStalled;`,
    to: `return status !== "draining" && !isStalled;`,
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
    from: "const shortage = this.#shortage({ ...more, account }, atUs);",
    to: "const shortage = null as Shortage | null;",
  },
  {
    name: "a limit that does not bind those below it",
    file: "core/budget/limit-tree.ts",
    from: "const above = parent === null ? null : this.#place(parent);",
    to: "const above = parent === null ? null : null;",
  },
  {
    name: "a charge that the accounts above do not feel",
    file: "core/budget/accounts.ts",
    from: "const above = parent === null ? null : this.#charged(parent);",
    to: "const above = parent === null ? null : null;",
  },
  {
    name: "a limit that has been lowered, and is not noticed",
    file: "core/budget/limit-tree.ts",
    from: `    this.remove(account.name, limit);
`,
    to: `    const old = this.find({ account: account.name, ...limit });
    if (old !== null && old.limit.amount > limit.amount) return;
    this.remove(account.name, limit);
`,
  },
  {
    name: "a limit that is taken for far away when it is near",
    file: "core/budget/limit-tree.ts",
    from: "* CLEARLY_BELOW",
    to: "* 2",
  },
  {
    name: "a window whose limit counts for ever",
    file: "core/budget/limited-accounts.ts",
    from: "return counted === null ? account.total : counted.at(atUs);",
    to: "return counted === null || counted !== null ? account.total : counted.at(atUs);",
  },
  {
    name: "an answer that gives way to nobody",
    file: "core/dispatching/preemption.ts",
    from: " || !this.#isAwaited(attempt)) return;",
    to: ") return;",
  },
  {
    name: "answers that all give way to the same one",
    file: "core/dispatching/preemption.ts",
    from: "let places = this.#leavingOf(packet).size;",
    to: "let places = 0;",
  },
  {
    name: "a remote answer that thinks unseen, and is charged for what it has said",
    file: "core/settling/settle.ts",
    from: "return isBilled && thinksUnseen ?",
    to: "return isBilled && thinksUnseen && failure !== null ?",
  },
  {
    name: "a rolling window that forgets too soon",
    file: "core/budget/counted-window.ts",
    from: "if (startUs < fromUs) continue;",
    to: "if (startUs <= fromUs) continue;",
  },
  {
    name: "a window that is counted only from when its limit was set",
    file: "core/budget/limited-accounts.ts",
    from: "posted: used.get(windowOf({ account, window })), ...known",
    to: "posted: [], ...known",
  },
  {
    name: "a new window in which the last posts do not count",
    file: "core/budget/limited-accounts.ts",
    from: "{ after: through, startOf }",
    to: "{ after: through + 1e9, startOf }",
  },
  {
    name: "a new window in which the last posts count twice",
    file: "core/budget/recent-posts.ts",
    from: "if (post.sequence <= after || ",
    to: "if (",
  },
  {
    name: "a new window in which nothing is held",
    file: "core/budget/accounts.ts",
    from: "if (!isAtOrBelow(name, account.name)) continue;",
    to: "if (name !== account.name + account.name) continue;",
  },
  {
    name: "a threshold that stops nobody",
    file: "core/budget/thresholds.ts",
    from: `if (action === "notify" || action === "shorten") continue;`,
    to: `if (action !== "hold_low_priority") continue;`,
  },
  {
    name: "a threshold that shortens later than it says",
    file: "core/budget/thresholds.ts",
    from: "if (maxTokens === undefined || used < partOf(amount, percent)) continue;",
    to: "if (maxTokens === undefined || used <= amount) continue;",
  },
  {
    name: "a threshold that holds back those who are urgent enough",
    file: "core/budget/thresholds.ts",
    from: "return (rankOf(priority) ?? usual) <= (rankOf(least) ?? 0);",
    to: "return (rankOf(priority) ?? usual) < (rankOf(least) ?? 0);",
  },
  {
    name: "use that counts when it is posted and not when it was held",
    file: "core/budget/accounts.ts",
    from: "filled(parts, entry.charge)) this.#addPosted(entry, atUs, charge);",
    to: "filled(parts, entry.charge)) this.#addPosted(entry, Math.max(atUs, entry.atUs), charge);",
  },
  {
    name: "a price that is rounded down",
    file: "core/budget/money.ts",
    from: "(tokens + TOKENS_PER_PRICE - 1n) / TOKENS_PER_PRICE",
    to: "tokens / TOKENS_PER_PRICE",
  },
  {
    name: "an answer that goes on elsewhere at the price of short prompts",
    file: "core/budget/coverage.ts",
    from: "costOf(forPromptOf(request.price, total.promptTokens), usage, requests)",
    to: "costOf(request.price, usage, requests)",
  },
  {
    name: "a price for long prompts that begins one token too early",
    file: "core/budget/money.ts",
    from: "findLast(({ aboveTokens }) => promptTokens > aboveTokens)",
    to: "findLast(({ aboveTokens }) => promptTokens >= aboveTokens)",
  },
  {
    name: "a worst case in which nothing is thought",
    file: "core/budget/money.ts",
    from: "reasoning > output ? completionTokens : 0",
    to: "reasoning > output ? 0 : 0",
  },
  {
    name: "a batch that is charged like the rest",
    file: "core/budget/money.ts",
    from: "usage.isBatch === true ? (flat.batch ?? flat) : flat",
    to: "flat",
  },
  {
    name: "a price that is in force before its time",
    file: "core/budget/money.ts",
    from: "each.fromUs <= atUs &&",
    to: "atUs > 0 &&",
  },
  {
    name: "a default price for a model that has one of its own",
    file: "core/planning/plan.ts",
    from: "if (price !== null) return price;",
    to: "if (price !== null) return config.defaultPrice ?? price;",
  },
  {
    name: "a ledger whose clock goes back",
    file: "core/budget/limited-accounts.ts",
    from: "this.#clockUs = Math.max(nowUs, this.#clockUs);",
    to: "this.#clockUs = nowUs;",
  },
  {
    name: "credit that is granted before it is durable",
    file: "core/streaming/streams.ts",
    from: `    attempt.isShort = result !== null;
`,
    to: `    attempt.isShort = result !== null;
    attempt.creditTokens = packet.heldTokens;
`,
  },
  {
    name: "a choice that goes on after its budget has cut it short",
    file: "core/streaming/streams.ts",
    from: `if (short && isLastCall) return this.#cut(attempt, stream, short.shortage);
    if (short || isOnItsWay`,
    to: "if (short === null || isOnItsWay",
    seed: 1037,
  },
  {
    name: "the last tokens of a budget, which nobody gets",
    file: "core/budget/reservations.ts",
    from: `if ("limit" in result && isLastCall) {`,
    to: `if ("limit" in result && isLastCall && tokens < 0) {`,
  },
  {
    name: "money that comes free and wakes nobody",
    file: "core/budget/unfunded.ts",
    from: "for (const at of pathOf(account)) if (this.#waiting.has(at)) this.#freed.add(at);",
    to: "for (const at of pathOf(account)) if (!this.#waiting.has(at)) this.#freed.add(at);",
  },
  {
    name: "midnight that wakes nobody",
    file: "core/budget/funding.ts",
    from: "const atUs = Math.min(patienceUs, this.#reservations.endOf(shortage.limit), againUs);",
    to: "const atUs = Math.min(patienceUs, againUs);",
  },
  {
    name: "somebody who waits for a budget without end",
    file: "core/budget/funding.ts",
    from: "const atUs = Math.min(patienceUs, this.#reservations.endOf(shortage.limit), againUs);",
    to: "const atUs = Math.min(this.#reservations.endOf(shortage.limit), againUs);",
  },
  {
    name: "limits that are forgotten in a crash",
    file: "core/budget/reservations.ts",
    from: "this.#budget.begin(limits, { zones: state.zones,",
    to: "this.#budget.begin([], { zones: state.zones,",
  },
  {
    name: "a hold of an earlier life that is left open",
    file: "core/budget/reservations.ts",
    from: `      this.#append(this.#budget.postInDoubt(id, this.#turn.nowUs, { gpuUs: this.#mostUntilNow(hold) }));
`,
    to: "",
  },
  {
    name: "a hold of an earlier life that is given back",
    file: "core/budget/reservations.ts",
    from: "this.#append(this.#budget.postInDoubt(id, this.#turn.nowUs, { gpuUs: this.#mostUntilNow(hold) }));",
    to: "this.#append(this.#budget.void(id, this.#turn.nowUs));",
  },
  {
    name: "a receipt that puts another hold right",
    file: "core/budget/reservations.ts",
    from: "post === undefined || !this.#mayCover(hold, attempt)",
    to: "post === undefined",
    seed: 338,
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
  {
    name: "an answer that goes on with a token that was shown",
    file: "core/dispatching/carrying.ts",
    from: `    tokens: attempt.generatedTokens,
`,
    to: `    tokens: Math.max(0, attempt.generatedTokens - 1),
`,
  },
  {
    name: "a prompt that is charged again where its answer goes on",
    file: "core/dispatching/recovery.ts",
    from: `    if (packet.carried !== null) packet.paid = packet.usage;
`,
    to: "",
  },
  {
    name: "a prompt that is charged twice, for tokens that are charged once",
    file: "core/budget/coverage.ts",
    from: "return { ...total, promptTokens: 0, cachedTokens: 0, completionTokens, reasoningTokens };",
    to: "return { ...total, completionTokens, reasoningTokens };",
  },
  {
    name: "an answer that goes on from where it was long ago",
    file: "core/dispatching/recovery.ts",
    from: `      packet.carried = null;
`,
    to: "",
    seed: 321,
  },
  {
    name: "an answer that goes on with another model",
    file: "core/dispatching/carrying.ts",
    from: "return takesCredit(endpoint.worker) && (endpoint.modelHash ?? null) === carried.modelHash;",
    to: "return takesCredit(endpoint.worker);",
  },
  {
    name: "a KV state that is offered to who can't load it",
    file: "core/dispatching/carrying.ts",
    from: "if (state === null || endpoint.stateFingerprint !== state.fingerprint) return null;",
    to: "if (state === null) return null;",
  },
  {
    name: "a KV state that is never freed",
    file: "core/dispatching/moves.ts",
    from: `    this.#turn.emit({ kind: "free_state", worker: carried.state.worker, attempt: carried.attempt });
`,
    to: "",
  },
  {
    name: "a KV state that is freed before it is fetched",
    file: "core/supervisor.ts",
    from: `    this.#queue.dispatched(packet, nowUs);
`,
    to: `    this.#queue.dispatched(packet, nowUs);
    this.#moves.freeState(packet);
`,
  },
  {
    name: "a KV state that is freed twice",
    file: "core/dispatching/moves.ts",
    from: `    carried.state = null;
`,
    to: "",
  },
  {
    name: "several answers that are parked as if they were one",
    file: "core/dispatching/carrying.ts",
    from: " && attempt.packet.choices === 1;",
    to: ";",
  },
  {
    name: "prompts that are read for others by workers that answer",
    file: "core/placement/placing.ts",
    from: `reader.role === "prefill" && takesCredit(reader)`,
    to: "takesCredit(reader)",
  },
  {
    name: "an endpoint that is tried again by who it has failed",
    file: "core/dispatching/recovery.ts",
    from: `    packet.tried.add(attempt.life);
`,
    to: "",
  },
  {
    name: "a hedge that goes on after it has lost",
    file: "core/dispatching/races.ts",
    from: `this.#attempts.cancel(attempt, "hedge_lost");`,
    to: "this.#attempts.end(attempt);",
  },
  {
    name: "a hedge that is not paid for",
    file: "core/dispatching/races.ts",
    from: "packet.use = useOf(attempt, null);",
    to: `packet.use = "none";`,
  },
  {
    name: "hedges without number",
    file: "core/dispatching/races.ts",
    from: `    if (!this.#hedging.isAffordable) return;
`,
    to: "",
  },
  {
    name: "a hedge where the first is already",
    file: "core/placement/placement.ts",
    from: `  if (packet.rival !== null && packet.rival.attempt?.endpoint === endpoint) return false;
`,
    to: "",
    seed: 544,
  },
  {
    name: "a race that both win",
    file: "core/dispatching/races.ts",
    from: `    if (packet.rival !== null) this.lose(packet.rival);
`,
    to: `    if (packet.rival !== null && !isFirst) this.lose(packet.rival);
`,
  },
  {
    name: "a breaker that never closes",
    file: "core/dispatching/breakers.ts",
    from: `if (breaker.successes >= config.successes) breaker.state = "closed";`,
    to: "",
  },
  {
    name: "a breaker that opens and keeps nobody away",
    file: "core/fleet/endpoint.ts",
    from: `return breaker.state === "open" || (`,
    to: "return (",
  },
  {
    name: "a breaker that tries all at once",
    file: "core/fleet/endpoint.ts",
    from: ` || (breaker.state === "half_open" && inFlight > 0)`,
    to: "",
  },
  {
    name: "a breaker that outlives the process it was for",
    file: "core/supervisor.ts",
    from: "if (heard.isNew) for (const endpoint of worker.endpoints) this.#breakers",
    to: "if (lost.length > 0) for (const endpoint of worker.endpoints) this.#breakers",
  },
  {
    name: "a pause that goes on until the deadline",
    file: "core/dispatching/retry.ts",
    from: "Math.min(ceilingUs, leftUs / 2)",
    to: "ceilingUs",
  },
  {
    name: "an engine at a standstill that is given work",
    file: "core/fleet/worker.ts",
    from: `return status === "alive" && !isStalled;`,
    to: `return status === "alive";`,
  },
  {
    name: "an engine at a standstill that nobody notices",
    file: "core/fleet/health.ts",
    from: "if (nowUs - Math.max(worker.progressUs, workUs) < this.#stallUs) return false;",
    to: "if (nowUs - Math.max(worker.progressUs, workUs) < Infinity) return false;",
  },
  {
    name: "an eviction that begins with the more urgent",
    file: "core/queueing/waiting-room.ts",
    from: "for (let i = this.#shelves.length - 1; i > band; i--) {",
    to: "for (let i = band + 1; i < this.#shelves.length; i++) {",
    seed: 494,
  },
  {
    name: "an eviction among equals",
    file: "core/queueing/waiting-room.ts",
    from: "i > band; i--",
    to: "i >= band; i--",
  },
  {
    name: "an eviction that begins with the oldest",
    file: "core/queueing/shelf.ts",
    from: "a.sequence > b.sequence",
    to: "a.sequence < b.sequence",
  },
  {
    name: "a cap that one more may pass",
    file: "core/queueing/runs.ts",
    from: "(this.#running.get(flow) ?? 0) < lookUp(",
    to: "(this.#running.get(flow) ?? 0) <= lookUp(",
  },
  {
    name: "a band's patience that is not looked at",
    file: "core/queueing/queue.ts",
    from: "this.#config.bands[bandOf(packet.request.arrival.hints, this.#config)]!.ttlUs ?? this.#limits.ttlUs",
    to: "this.#limits.ttlUs",
  },
  {
    name: "bands upside down",
    file: "core/queueing/policies/bands/strict.ts",
    from: "({ index }) => index",
    to: "({ index }) => -index",
  },
  {
    name: "packets that are lost in a change of policies",
    file: "core/queueing/queue.ts",
    from: "waiting.sort((a, b) => a.sequence - b.sequence)",
    to: "waiting.sort((a, b) => a.sequence - b.sequence).slice(1)",
  },
  {
    name: "a rate that drifts",
    file: "core/admission/rates.ts",
    from: `    bucket.atUs = nowUs;
`,
    to: "",
  },
  {
    name: "urgent requests that are shed",
    file: "core/admission/admission.ts",
    from: "if (!this.#queue.isSheddable(arrival)) return null;",
    to: "if (this.#queue.isSheddable(arrival)) return null;",
  },
  {
    name: "labels that nobody looks at",
    file: "core/placement/placement.ts",
    from: `  if (!hasLabels(endpoint.worker, packet.request.arrival.hints.labels)) return false;
`,
    to: "",
  },
  {
    name: "a newcomer that waits behind who needs more room",
    file: "core/placement/places.ts",
    from: "const mayPass = !isFirst && ",
    to: "const mayPass = isFirst && ",
  },
  {
    name: "a load that is counted on the endpoint only",
    file: "core/fleet/fleet.ts",
    from: `    endpoint.worker.ownSessions += slots;
`,
    to: "",
  },
  {
    name: "a slice that stays held when it is closed",
    file: "core/budget/accounts.ts",
    from: `    for (const { atUs, charge } of hold.parts) this.#addHeld(hold.account, atUs, charge, -1);
    return hold;`,
    to: `    if (hold.amounts !== undefined) return hold;
    for (const { atUs, charge } of hold.parts) this.#addHeld(hold.account, atUs, charge, -1);
    return hold;`,
  },
  {
    name: "a request that is held in its slice, and above it once more",
    file: "core/budget/slices.ts",
    from: "this.#change(slice.id, drawn, -1);",
    to: "",
  },
  {
    name: "what a request has drawn and not used, which does not come back to its slice",
    file: "core/budget/slices.ts",
    from: "this.#change(slice, minus(drawn, used), 1);",
    to: "if (hold.amounts !== undefined) this.#change(slice, minus(drawn, used), 1);",
  },
  {
    name: "a slice inside another that gives back all of it, whatever was used",
    file: "core/budget/slices.ts",
    from: "amounts === undefined ? posted : plus(minus(amounts, charge), posted);",
    to: "posted;",
  },
  {
    name: "what still runs below a closed slice, and is not drawn from the slice around it",
    file: "core/budget/slices.ts",
    from: "for (const { slice, charge } of outer) addDraw",
    to: "for (const { slice, charge } of outer.slice(outer.length)) addDraw",
    seed: 306,
  },
  {
    name: "a slice inside another that is not closed with it",
    file: "core/budget/budget.ts",
    from: "const within = this.slices.within(account);",
    to: "const within = this.slices.within(account).filter((slice) => slice.account === account);",
  },
  {
    name: "slices that have no end after a restart",
    file: "core/budget/slice-keeper.ts",
    from: "for (const slice of this.#reservations.slices.open) this.#expire(slice);",
    to: "",
  },
  {
    name: "slices that end with their supervisor",
    file: "core/budget/reservations.ts",
    from: "if (amounts !== undefined) continue;",
    to: "",
  },
  {
    name: "a restart after which slices inside others have drawn nothing",
    file: "core/budget/accounts.ts",
    from: `this.#holds.set(hold.id, hold);
      this.slices.began(hold);
      for`,
    to: `this.#holds.set(hold.id, { ...hold, draws: [] });
      this.slices.began(hold);
      for`,
  },
  {
    name: "a restart that forgets which slices were closed",
    file: "core/budget/accounts.ts",
    from: "closed: [...this.slices.closed],",
    to: "closed: [],",
  },
  {
    name: "a slice that is told of before it is durable",
    file: "core/budget/slice-answers.ts",
    from: "this.#waiting[0]!.sequence <= through",
    to: "this.#waiting[0]!.sequence <= through + 1",
  },
  {
    name: "a slice that is told to be over before that is durable",
    file: "core/budget/slice-keeper.ts",
    from: "    this.#answers.wrote(last.sequence);\n",
    to: "",
  },
  {
    name: "the name of a closed slice, which is taken again",
    file: "core/budget/slice-rules.ts",
    from: "slices.closed.has(account) || slices.find",
    to: "slices.find",
  },
  {
    name: "a name in which something was spent, and that becomes a slice's",
    file: "core/budget/slice-rules.ts",
    from: " || isUsed(account)",
    to: "",
  },
  {
    name: "a slice that is passed because there is room above",
    file: "core/budget/slice-check.ts",
    from: "slice === null || charge[part] <= slice.rest[part]",
    to: "slice === null || charge[part] <= Infinity",
  },
  {
    name: "a slice that is good for a window in which nothing was held for it",
    file: "core/budget/slice-check.ts",
    from: "if (slice.atUs >= calendar.countsFrom(limit.window, atUs)) asked",
    to: `if (slice.atUs >= calendar.countsFrom("total", atUs)) asked`,
  },
  {
    name: "a slice that outlives the one that it is in",
    file: "core/budget/slice-rules.ts",
    from: "...slices.around(account).map(({ expiresUs }) => expiresUs)",
    to: "...slices.around(account).map(() => Infinity)",
  },
  {
    name: "a closed slice whose money wakes nobody",
    file: "core/budget/reservations.ts",
    from: `    for (const entry of entries) this.#append(entry);
    this.#unfunded.freeAll();`,
    to: "    for (const entry of entries) this.#append(entry);",
  },
  {
    name: "one slice more than a key may have",
    file: "core/budget/slice-rules.ts",
    from: "slices.countWithin(payer) + ahead.ofPayer >= perPayerMax",
    to: "slices.countWithin(payer) + ahead.ofPayer > perPayerMax",
  },
  {
    name: "a slice that is opened while the supervisor drains",
    file: "core/budget/slice-keeper.ts",
    from: `if (asked.action === "open" && draining) return this.#refuse(ask, noCapacity("draining"));`,
    to: "",
  },
  {
    name: "leases that nobody reckons as used",
    file: "core/leasing/lease-book.ts",
    from: "reserved += positive(unused.at(place.startUs));",
    to: "reserved += positive(unused.at(place.startUs)) * 0n;",
    isShared: true,
  },
  {
    name: "a grant of one cent too many",
    file: "core/leasing/lease-book.ts",
    from: "const free = positive(partOf(amount, place.percent) - used);",
    to: "const free = positive(partOf(amount, place.percent) - used + 1n);",
    isShared: true,
  },
  {
    name: "a last cent that nobody gets",
    file: "core/leasing/lease-book.ts",
    from: "const free = positive(partOf(amount, place.percent) - used);",
    to: "const free = positive(partOf(amount, place.percent) - used - 1n);",
    isShared: true,
  },
  {
    name: "a lease that is recalled by nobody",
    file: "core/leasing/lease-desk.ts",
    from: "if (others.length === 0) continue;",
    to: "if (others.length >= 0) continue;",
    isShared: true,
  },
  {
    name: "a lease that is used, and is as large as before",
    file: "core/leasing/held-leases.ts",
    from: `      lease.unused.take(startUs, amount);
      if (amount > 0n)`,
    to: `      if (amount < 0n) lease.unused.take(startUs, amount);
      if (amount > 0n)`,
    isShared: true,
  },
  {
    name: "a lease that is given back, and used",
    file: "core/leasing/held-leases.ts",
    from: `    lease.unused.add(startUs, -amount);
    instanceOf(lease, startUs).reserved -= amount;`,
    to: "    instanceOf(lease, startUs).reserved -= amount;",
    isShared: true,
  },
  {
    name: "a supervisor that does not notice that it is taken for dead",
    file: "core/supervisor.ts",
    from: "sinceUs + LEASE_TTL_US - LEASE_SKEW_US",
    to: "sinceUs + 100 * LEASE_TTL_US - LEASE_SKEW_US",
    isShared: true,
  },
  {
    name: "holds of a dead supervisor that stay open",
    file: "core/leasing/lease-desk.ts",
    from: "const entries = Array.from(replica.holds, (id) => this.#postInDoubt(holds.get(id)!, nowUs));",
    to: "const entries = Array.from([...replica.holds].slice(1), (id) => this.#postInDoubt(holds.get(id)!, nowUs));",
    isShared: true,
  },
  {
    name: "a lease that outlives its supervisor",
    file: "core/leasing/lease-book.ts",
    from: `      leases.delete(replica);
      if (leases.size === 0) this.#leases.delete(name);`,
    to: "",
    isShared: true,
  },
  {
    name: "entries that are called durable when they are sent",
    file: "core/leasing/lease-desk.ts",
    from: "const count = pending.findIndex(({ position }) => position > through);",
    to: "const count = pending.findIndex(({ position }) => position > through + 1e6);",
    isShared: true,
  },
  {
    name: "limits that change, and supervisors are not told",
    file: "core/leasing/lease-desk.ts",
    from: "for (const name of this.#replicas.keys()) this.#tell(name, told);",
    to: "",
    isShared: true,
  },
  {
    name: "rates that everybody has for himself",
    file: "core/leasing/lease-desk.ts",
    from: "const shortage = this.#rates.take(order, this.#books.clock(nowUs));",
    to: "const shortage = nowUs < 0 ? this.#rates.take(order, nowUs) : null;",
    isShared: true,
  },
  {
    name: "holds from before that the desk leaves open",
    file: "core/leasing/lease-desk.ts",
    from: "return packets.map((hold) => this.#postInDoubt(hold, nowUs));",
    to: "return packets.slice(1).map((hold) => this.#postInDoubt(hold, nowUs));",
    isShared: true,
  },
  {
    name: "a refusal that is believed for ever",
    file: "core/leasing/held-leases.ts",
    from: "if (isAll) instance.allUntilUs = nowUs + BELIEVED_US;",
    to: "if (isAll) instance.allUntilUs = nowUs + 1e12 * BELIEVED_US;",
    isShared: true,
  },
  {
    name: "a limit that is set below what is held, and leased by what comes free",
    file: "core/leasing/leased-places.ts",
    from: "unused.add(startOf(inForce.limit, calendar, atUs), -chargedIn(inForce.unit, own));",
    to: "unused.add(startOf(inForce.limit, calendar, atUs), -chargedIn(inForce.unit, own) * 0n);",
    seed: 359,
    isShared: true,
  },
  {
    name: "a slice that is opened before all supervisors know",
    file: "core/leasing/slice-openings.ts",
    from: `      unheard.add(replica);
`,
    to: "",
    isShared: true,
  },
  {
    name: "a slice that is closed before all supervisors know",
    file: "core/leasing/slice-closings.ts",
    from: "const unheard = new Set(this.#host.replicas());",
    to: "const unheard = new Set<string>();",
    isShared: true,
  },
  {
    name: "a supervisor that goes on as if no slice were to come",
    file: "core/leasing/known-slices.ts",
    from: `    if (this.#coming.size === 0) return null;
`,
    to: `    if (this.#coming.size >= 0) return null;
`,
    isShared: true,
  },
  {
    name: "a supervisor that draws on a slice after it has said that it does not",
    file: "core/leasing/held-leases.ts",
    from: "for (const slice of this.slices.close(account)) {",
    to: `for (const slice of this.slices.close(\`\${account}/none\`)) {`,
    isShared: true,
  },
  {
    name: "what is held in a slice that each supervisor has for itself",
    file: "core/leasing/lease-book.ts",
    from: `    const { limit, posted, held } = part;
    return { limit, posted, held, reserved: held };`,
    to: `    const { limit, posted, held } = part;
    return { limit, posted, held, reserved: held * 0n };`,
    isShared: true,
  },
  {
    name: "what a hold leaves of a slice, and what it has used, put back",
    file: "core/leasing/known-slices.ts",
    from: "charge: minus(charge, least(used, charge)) }));",
    to: "charge: minus(charge, minus(charge, charge)) }));",
    isShared: true,
  },
  {
    name: "a slice whose time is over, and that nobody closes",
    file: "core/leasing/slice-closings.ts",
    from: "    this.#expiries.set(account, expiresUs);\n",
    to: "",
    isShared: true,
  },
  {
    name: "a slice that supervisors tell of before it is durable",
    file: "core/leasing/slice-openings.ts",
    from: `    this.#parts.answers.wrote(entry.sequence);
`,
    to: "",
    isShared: true,
  },
  {
    name: "a slice of which the last cent is leased, and not recalled",
    file: "core/leasing/held-leases.ts",
    from: `    const inForce = this.#places.find(place);
    const lease = inForce`,
    to: `    const inForce = "usd slice".includes(window) ? null : this.#places.find(place);
    const lease = inForce`,
    isShared: true,
  },
  {
    name: "a slice that is opened beyond the limit above it",
    file: "core/leasing/slice-openings.ts",
    from: "if (isEnough) return this.#open(opening, nowUs);",
    to: "if (isEnough || opening.places.length > 1) return this.#open(opening, nowUs);",
    isShared: true,
  },
  {
    name: "a sub-account that was charged before, and becomes a slice's",
    file: "core/leasing/slice-openings.ts",
    from: "const isUsed = (account: string): boolean => books.isUsed(account);",
    to: "const isUsed = (account: string): boolean => account === above;",
    isShared: true,
  },
];
