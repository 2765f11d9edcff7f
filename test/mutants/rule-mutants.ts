import type { Mutant } from "./mutants.ts";

/** A fault that breaks one of the rules of budgets, and the test of that rule, which has to find it. */
export interface RuleMutant extends Mutant {
  /** Relative to `test/core`. */
  foundBy: string;
}

export const RULE_MUTANTS: readonly RuleMutant[] = [
  {
    name: "a hold that the accounts above do not feel",
    file: "core/budget/accounts.ts",
    from: `for (; at; at = at.above) {
      this.counts.add(at.total, HELD, charge, sign);`,
    to: `for (; at; at = null) {
      this.counts.add(at.total, HELD, charge, sign);`,
    foundBy: "rules/rule-1-all-or-nothing.test.ts",
  },
  {
    name: "a refusal that keeps what it could not hold",
    file: "core/budget/budget.ts",
    from: `    if (shortage !== null) return shortage;
    return this.#apply({ operation: "reserve", hold: id, account, model, charge, atUs, heldAtUs: atUs });`,
    to: `    return [
      this.#apply({ operation: "reserve", hold: id, account, model, charge, atUs, heldAtUs: atUs }),
      shortage,
    ].findLast((result) => result !== null)!;`,
    foundBy: "rules/rule-1-all-or-nothing.test.ts",
  },
  {
    name: "a threshold that is passed where the limit itself is far",
    file: "core/budget/limit-tree.ts",
    from: "Math.min(100, ...percents)",
    to: "Math.max(100, ...percents)",
    foundBy: "rules/rule-1-all-or-nothing.test.ts",
  },
  {
    name: "a post that frees only the first part of its hold",
    file: "core/budget/accounts.ts",
    from: "for (const { atUs, charge } of hold.parts) this.#addHeld(hold.account, atUs, charge, -1);",
    to: "for (const { atUs, charge } of hold.parts.slice(0, 1)) this.#addHeld(hold.account, atUs, charge, -1);",
    foundBy: "rules/rule-2-post.test.ts",
  },
  {
    name: "an engine that we meter, and that is charged what it says",
    file: "core/settling/settle.ts",
    from: "isMetered ? creditTokens * streams.length : TOKENS_MAX",
    to: "streams.length > 0 ? TOKENS_MAX : creditTokens * Number(isMetered)",
    foundBy: "rules/rule-2-post.test.ts",
  },
  {
    name: "an overage of which the money is not recorded",
    file: "core/budget/charge.ts",
    from: "over.reasoningTokens = 0;",
    to: "over.reasoningTokens = over.nanoUsd = 0;",
    foundBy: "rules/rule-2-post.test.ts",
  },
  {
    name: "an attempt that is charged once more when the next one has used nothing",
    file: "core/dispatching/recovery.ts",
    from: `    packet.use = "none";
    if (packet.carried === null)`,
    to: "    if (packet.carried === null)",
    foundBy: "rules/rule-3-attempts.test.ts",
  },
  {
    name: "a loser of a race that is charged all that was held for it",
    file: "core/dispatching/races.ts",
    from: "packet.use = useOf(attempt, null);",
    to: `packet.use = "unknown";`,
    foundBy: "rules/rule-3-attempts.test.ts",
  },
  {
    name: "a request that counts once for each attempt of a race",
    file: "core/budget/reservations.ts",
    from: `if (use === "unknown" || use.requests === 0 || request.charged.requests === 0) return use;`,
    to: `if (use === "unknown" || use.requests === 0 || request.charged.requests >= 0) return use;`,
    foundBy: "rules/rule-3-attempts.test.ts",
  },
  {
    name: "an answer whose later parts count when it began",
    file: "core/budget/accounts.ts",
    from: "this.#addPosted(entry, part.atUs, share);",
    to: "this.#addPosted(entry, parts[0]!.atUs, share);",
    foundBy: "rules/rule-4-windows.test.ts",
  },
  {
    name: "a correction that counts when it comes",
    file: "core/budget/accounts.ts",
    from: "return this.#addPosted(entry, entry.heldAtUs, entry.charge);",
    to: "return this.#addPosted(entry, entry.atUs, entry.charge);",
    foundBy: "rules/rule-4-windows.test.ts",
  },
  {
    name: "a day that begins at a midnight that clocks never showed",
    file: "core/budget/calendar.ts",
    from: "Math.max(fromUs, day * DAY_US - aheadUs)",
    to: "day * DAY_US - aheadUs",
    foundBy: "rules/rule-4-windows.test.ts",
  },
  {
    name: "a day that has begun, and moves with what is learnt of its time zone",
    file: "core/budget/calendar.ts",
    from: "...rules.offsets.filter(({ fromUs }) => fromUs > lastUs)",
    to: "...rules.offsets.filter(({ fromUs }) => fromUs > lastUs - Infinity)",
    foundBy: "rules/rule-4-windows.test.ts",
  },
  {
    name: "a refusal for ever that is called one for now",
    file: "core/budget/refusal.ts",
    from: `if (isPermanent) return { code: "budget_insufficient"`,
    to: `if (isPermanent && resetUs !== null) return { code: "budget_insufficient"`,
    foundBy: "rules/rule-5-refusals.test.ts",
  },
  {
    name: "a client that is told to come again too early",
    file: "core/budget/refusal.ts",
    from: "Math.ceil((resetUs - nowUs) / MICROS_PER_SECOND)",
    to: "Math.floor((resetUs - nowUs) / MICROS_PER_SECOND) - 1",
    foundBy: "rules/rule-5-refusals.test.ts",
  },
  {
    name: "a limit in total that is spent for ever, and is called spent for now",
    file: "core/budget/budget.ts",
    from: `needed > amount || (window === "total" && !fitsOncePosted)`,
    to: "needed > amount",
    foundBy: "rules/rule-5-refusals.test.ts",
  },
  {
    name: "a rolling window of which the latest use is taken for what ends first",
    file: "core/budget/budget.ts",
    from: "counted.instances.toSorted((a, b) => a.startUs - b.startUs)",
    to: "counted.instances.toSorted((a, b) => b.startUs - a.startUs)",
    foundBy: "rules/rule-5-refusals.test.ts",
  },
  {
    name: "somebody who waits for what can never be had",
    file: "core/budget/funding.ts",
    from: "const canHelp = canWait && !shortage.isPermanent && !this.#isDraining();",
    to: "const canHelp = canWait;",
    foundBy: "rules/rule-5-refusals.test.ts",
  },
  {
    name: "an answer that costs nothing because its client has left",
    file: "core/supervisor.ts",
    from: "attempt.packet.use = useOf(attempt, null);",
    to: `attempt.packet.use = "none";`,
    foundBy: "rules/rule-6-disconnects.test.ts",
  },
  {
    name: "a prompt that nobody pays because its length was not told before the client left",
    file: "core/request.ts",
    from: "generatedTokens > 0 ? packet.request.arrival.promptTokensMax : 0",
    to: "generatedTokens < 0 ? packet.request.arrival.promptTokensMax : 0",
    foundBy: "rules/rule-6-disconnects.test.ts",
  },
  {
    name: "an endpoint that goes on beyond its credit and is not stopped",
    file: "core/streaming/streams.ts",
    from: "if (tokens < event.tokens) return this.#cut(attempt, stream, packet.shortage);",
    to: "",
    foundBy: "rules/rule-7-credit.test.ts",
  },
  {
    name: "an answer that is cut short, and nobody says by which limit",
    file: "core/streaming/streams.ts",
    from: "shortage: shortage === null ? null : viewOf(shortage)",
    to: "shortage: shortage === null ? viewOf(shortage!) : null",
    foundBy: "rules/rule-7-credit.test.ts",
  },
  {
    name: "a last token that fits and that nobody gets",
    file: "core/budget/coverage.ts",
    from: `  return low;
`,
    to: `  return Math.max(least, low - 1);
`,
    foundBy: "rules/rule-7-credit.test.ts",
  },
  {
    name: "a piece of an answer of which the last token is not held",
    file: "core/budget/reservations.ts",
    from: "askedBy(packet, minus(worstCaseOf(packet, tokens), held))",
    to: "askedBy(packet, minus(worstCaseOf(packet, tokens - 1), held))",
    foundBy: "rules/rule-7-credit.test.ts",
  },
  {
    name: "posts in doubt that a second restart forgets",
    file: "core/budget/accounts.ts",
    from: `    this.doubt(state.inDoubt);
`,
    to: "",
    foundBy: "rules/rule-8-crashes.test.ts",
  },
  {
    name: "a worker that is asked about every attempt but the one that ran",
    file: "core/budget/hold-ids.ts",
    from: "`${packet}#${number + 1 + i}`",
    to: "`${packet}#${number + 2 + i}`",
    foundBy: "rules/rule-8-crashes.test.ts",
  },
  {
    name: "a receipt that charges more than was held",
    file: "core/budget/budget.ts",
    from: "const charge = minus(least(used, post.charge), post.charge);",
    to: "const charge = minus(used, post.charge);",
    foundBy: "rules/rule-8-crashes.test.ts",
  },
  {
    name: "use beyond the hold that counts nowhere",
    file: "core/budget/accounts.ts",
    from: "const share = i === parts.length - 1 ? left : least(left, part.charge);",
    to: "const share = i === parts.length ? left : least(left, part.charge);",
    foundBy: "rules/rule-9-conservation.test.ts",
  },
  {
    name: "an account whose total is not that of those below it",
    file: "core/budget/accounts.ts",
    from: "this.counts.add(at.total, POSTED, charge, 1);",
    to: "if (at.name === entry.account) this.counts.add(at.total, POSTED, charge, 1);",
    foundBy: "rules/rule-9-conservation.test.ts",
  },
  {
    name: "a summary that forgets what is held",
    file: "core/budget/accounts.ts",
    from: "holds: [...this.#holds.values()],",
    to: "holds: [],",
    foundBy: "rules/rule-9-conservation.test.ts",
  },
  {
    name: "a limit that can be raised only",
    file: "core/budget/limited-accounts.ts",
    from: "this.limits.set(at, { unit, window, amount: BigInt(amount), thresholds }, counted);",
    to: `const before = this.limits.find({ account, unit, window })?.limit.amount ?? 0n;
      const higher = before > BigInt(amount) ? before : BigInt(amount);
      this.limits.set(at, { unit, window, amount: higher, thresholds }, counted);`,
    foundBy: "rules/rule-10-lowered-limits.test.ts",
  },
  {
    name: "a limit that is changed, and cancels what is held",
    file: "core/budget/budget.ts",
    from: `    this.#leases?.opened(rows, this.#books.accounts.holds);
`,
    to: `    this.#leases?.opened(rows, this.#books.accounts.holds);
    for (const { id } of this.holds) this.void(id, 0);
`,
    foundBy: "rules/rule-10-lowered-limits.test.ts",
  },
  {
    name: "leases that are not reckoned as used",
    file: "core/leasing/lease-book.ts",
    from: "used += positive(unused.at(startUs));",
    to: "used += positive(unused.at(startUs)) * 0n;",
    foundBy: "leasing/leases.test.ts",
  },
  {
    name: "a lease that is given back and used all the same",
    file: "core/leasing/held-leases.ts",
    from: `    lease.unused.add(startUs, -amount);
    instanceOf(lease, startUs).reserved -= amount;`,
    to: "    instanceOf(lease, startUs).reserved -= amount;",
    seed: 20,
    foundBy: "leasing/leases.test.ts",
  },
  {
    name: "a lease that is recalled and kept",
    file: "core/leasing/held-leases.ts",
    from: `    this.#give(lease, startUs, recall);
  }`,
    to: `    this.#orders.push({ kind: "give", ...place, amount: "0", recall });
  }`,
    foundBy: "leasing/leases.test.ts",
  },
  {
    name: "a lease of one minute that is used in the next",
    file: "core/leasing/unused.ts",
    from: "return calendar.span(window, atUs).startUs;",
    to: "return calendar.span(window, atUs).startUs * 0;",
    seed: 20,
    foundBy: "leasing/leases.test.ts",
  },
  {
    name: "money of a rolling window that is free twice",
    file: "core/leasing/unused.ts",
    from: "if (amount === 0n || (amount < 0n && isRolling)) return [];",
    to: "if (amount === 0n || (amount < 0n && isRolling && amount > 0n)) return [];",
    foundBy: "leasing/leases.test.ts",
  },
  {
    name: "an ask that outlives the limit that it was for",
    file: "core/leasing/lease-desk.ts",
    from: "    this.#endAsks(name, order);\n",
    to: "",
    foundBy: "leasing/leases.test.ts",
  },
  {
    name: "a charge that is held above twice: in the slice, and below it",
    file: "core/budget/slices.ts",
    from: "this.#change(slice.id, drawn, -1);",
    to: "",
    foundBy: "rules/rule-12-slices.test.ts",
  },
  {
    name: "what was drawn from a slice and not used, and does not come back",
    file: "core/budget/slices.ts",
    from: "this.#change(slice, minus(drawn, used), 1);",
    to: "",
    foundBy: "rules/rule-12-slices.test.ts",
  },
  {
    name: "what was drawn from a slice inside another, which is closed, and never comes back to the outer one",
    file: "core/budget/slices.ts",
    from: "for (const { slice, charge } of outer) addDraw",
    to: "for (const { slice, charge } of outer.slice(outer.length)) addDraw",
    foundBy: "rules/rule-12-slices.test.ts",
  },
  {
    name: "a slice that is good for a window in which nothing was held for it",
    file: "core/budget/slice-check.ts",
    from: "if (slice.atUs >= calendar.countsFrom(limit.window, atUs)) asked",
    to: 'if (slice.atUs >= calendar.countsFrom("total", atUs)) asked',
    foundBy: "rules/rule-12-slices.test.ts",
  },
  {
    name: "a slice that is passed, because the accounts above have room",
    file: "core/budget/slice-check.ts",
    from: "slice === null || charge[part] <= slice.rest[part]",
    to: "slice === null || charge[part] <= Infinity",
    foundBy: "rules/rule-12-slices.test.ts",
  },
  {
    name: "a sub-account that is charged after its slice was closed",
    file: "core/budget/slices.ts",
    from: "if (this.#closed.has(at)) closed = at;",
    to: "if (this.#closed.has(`${at}/`)) closed = at;",
    foundBy: "rules/rule-12-slices.test.ts",
  },
  {
    name: "a snapshot that forgets which slices were closed",
    file: "core/budget/accounts.ts",
    from: "closed: [...this.slices.closed],",
    to: "closed: [],",
    foundBy: "rules/rule-12-slices.test.ts",
  },
  {
    name: "a restart that posts slices as if they had been lost",
    file: "core/budget/reservations.ts",
    from: "if (amounts !== undefined) continue;",
    to: "",
    foundBy: "rules/rule-12-slices.test.ts",
  },
  {
    name: "a restart after which the time of slices does not go on",
    file: "core/budget/slice-keeper.ts",
    from: "for (const slice of this.#reservations.slices.open) this.#expire(slice);",
    to: "",
    foundBy: "rules/rule-12-slices.test.ts",
  },
  {
    name: "a slice that is promised for longer than the one it is in",
    file: "core/budget/slice-keeper.ts",
    from: "...around.map((outer) => outer.expiresUs)",
    to: "...around.map(() => Infinity)",
    foundBy: "rules/rule-12-slices.test.ts",
  },
  {
    name: "a slice that is told of before it is durable",
    file: "core/budget/slice-keeper.ts",
    from: "this.#waiting[0]!.sequence <= through",
    to: "this.#waiting[0]!.sequence <= through + 1",
    foundBy: "rules/rule-12-slices.test.ts",
  },
];
