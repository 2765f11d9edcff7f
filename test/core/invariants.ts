import assert from "node:assert/strict";
import { Calendar } from "../../src/core/budget/calendar.ts";
import { NOTHING as NO_CHARGE, plus } from "../../src/core/budget/charge.ts";
import { placeOfSlice } from "../../src/core/budget/slice.ts";
import { chargedIn, type LimitRow } from "../../src/core/budget/limits.ts";
import type { Dispatch, Effect } from "../../src/core/effects.ts";
import type { HeartbeatReceived, SupervisorEvent } from "../../src/core/events.ts";
import type { Inspection } from "../../src/core/inspection.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";

/**
 * What has to hold of any sequence of events and effects whatsoever, seen from outside:
 * - every request that arrives is settled once, told its end at most once, and then left alone;
 * - every attempt is sent once, under a hold that is durable, and to an endpoint that has not had
 *   its packet before; no more is relayed of it than its credit, and nothing once it is over;
 * - every hold is closed once, and the ledger has no gaps;
 * - whatever is held anew fits under every limit on its account's path;
 * - what `inspect` counts is what was sent and has not ended; when no request is left, nothing is.
 */
export class Invariants {
  readonly #requests = new Set<string>();
  readonly #told = new Set<string>();
  /** The open hold by packet: its first entry and its last. */
  readonly #holds = new Map<string, { id: string; first: number; sequence: number }>();
  readonly #attempts = new Map<
    string,
    { dispatch: Dispatch; credit: number; relayed: Map<number, number> }
  >();
  readonly #visited = new Set<string>();
  readonly #epochs = new Map<string, string>();
  /** Open holds and posts, for the sums under each limit; all of a hold is taken within one day. */
  readonly #charges = new Map<string, Counted>();
  readonly #posted: Counted[] = [];
  readonly #limits = new Map<string, LimitRow>();
  /** Accounts whose slices are open: what their limits above come to is for the tests of rule 12. */
  readonly #slices = new Set<string>();
  readonly #calendar = new Calendar();
  #sequence = 0;
  #durable = 0;
  #isDrainAsked = false;
  #isDrained = false;

  observe(event: SupervisorEvent, effects: readonly Effect[]): void {
    if (event.kind === "request_arrived") this.#requests.add(event.request);
    if (event.kind === "ledger_durable") this.#durable = Math.max(this.#durable, event.through);
    if (event.kind === "ledger_restored") {
      this.#sequence = event.state.sequence;
      for (const { id } of event.state.holds) {
        const slice = placeOfSlice(id);
        if (slice === null) this.#holds.set(holdersOf(id), { id, first: 0, sequence: 0 });
        else this.#slices.add(slice.account);
      }
    }
    if (event.kind === "limits_changed") {
      for (const row of event.limits) this.#limits.set(`${row.account} ${row.unit} ${row.window}`, row);
    }
    if (event.kind === "drain_asked") this.#isDrainAsked = true;
    // An endpoint that was full has not failed the packet and may be asked again.
    if (event.kind === "attempt_failed" && event.reason === "at_capacity") this.#forgetVisit(event.attempt);
    if (event.kind === "attempt_parked") {
      this.#forgetVisit(event.attempt);
      this.#attempts.delete(event.attempt);
    }
    if (event.kind === "attempt_failed" || event.kind === "attempt_finished") {
      this.#attempts.delete(event.attempt);
    }
    if (event.kind === "heartbeat_received") this.#heard(event, effects);
    for (const effect of effects) this.#observeEffect(effect);
  }

  /** The next life of a worker is another endpoint. */
  #heard({ worker, epoch }: HeartbeatReceived, effects: readonly Effect[]): void {
    const isAccepted = effects.some(
      (effect) => effect.kind === "answer_heartbeat" && effect.refusal === null,
    );
    if (!isAccepted || this.#epochs.get(worker) === epoch) return;
    this.#epochs.set(worker, epoch);
    for (const visit of this.#visited) if (visit.includes(` on ${worker}/`)) this.#visited.delete(visit);
  }

  check(inspection: Inspection): void {
    const { requests, openHolds, sessions, kvBytes, queue, workers } = inspection;
    assert.equal(requests, this.#requests.size, "requests");
    assert.equal(openHolds, this.#holds.size, "holds");
    assert.equal(sessions, this.#sessions(), "sessions");
    let inFlight = 0;
    let reserved = 0;
    for (const worker of workers) {
      inFlight += worker.inFlight;
      reserved += worker.kvBytesReserved;
    }
    assert.deepEqual({ inFlight, reserved }, { inFlight: sessions, reserved: kvBytes }, "workers");
    if (requests > 0) return;
    const { packets, bytes } = queue;
    assert.deepEqual({ openHolds, sessions, kvBytes, packets, bytes }, NOTHING, "something is left");
  }

  #observeEffect(effect: Effect): void {
    switch (effect.kind) {
      case "append_ledger":
        return this.#entry(effect.entry);
      case "dispatch":
        return this.#dispatch(effect);
      case "relay": {
        const attempt = this.#attempts.get(effect.attempt);
        assert(attempt !== undefined, `${effect.attempt} is over, or never was`);
        const relayed = (attempt.relayed.get(effect.choice) ?? 0) + effect.tokens;
        attempt.relayed.set(effect.choice, relayed);
        assert(relayed <= attempt.credit, `${effect.attempt} has no such credit`);
        return;
      }
      case "grant_credit": {
        const attempt = this.#attempts.get(effect.attempt);
        assert(attempt !== undefined, `${effect.attempt} is over, or never was`);
        const packet = packetOf(effect.attempt);
        assert(this.#holds.get(packet)!.sequence <= this.#durable, `more credit of ${packet} is durable`);
        assert(effect.creditTokens > attempt.credit, "credit grows");
        attempt.credit = effect.creditTokens;
        return;
      }
      case "cancel_attempt":
        assert(this.#attempts.delete(effect.attempt), `${effect.attempt} is cancelled while it runs`);
        return;
      case "finish_answer":
        return this.#alive(effect.request);
      case "finish_request":
      case "fail_request":
      case "drop_client":
        this.#alive(effect.request);
        assert(!this.#told.has(effect.request), `${effect.request} is told its end once`);
        this.#told.add(effect.request);
        return;
      case "request_settled":
        assert(this.#requests.delete(effect.record.request), `${effect.record.request} is settled once`);
        return;
      case "drained":
        assert(this.#isDrainAsked && !this.#isDrained && this.#requests.size === 0, "drained");
        this.#isDrained = true;
        return;
      case "park_attempt":
        assert(this.#attempts.has(effect.attempt), `${effect.attempt} is parked while it runs`);
        return;
      case "free_state":
      case "answer_slice":
      case "order_lease":
      case "lease_lost":
      case "budget_told":
      case "ask_receipts":
      case "answer_heartbeat":
      case "worker_changed":
      case "wake":
        return;
    }
  }

  #entry(entry: LedgerEntry): void {
    assert.equal(entry.sequence, ++this.#sequence, "the ledger has no gaps");
    const slice = placeOfSlice(entry.hold);
    if (slice !== null) {
      if (entry.operation === "reserve") this.#slices.add(slice.account);
      else assert(this.#slices.delete(slice.account), `${slice.account} is closed once`);
      return;
    }
    const packet = holdersOf(entry.hold);
    const open = this.#holds.get(packet);
    if (entry.operation === "adjust") {
      assert(!this.#charges.has(entry.hold), "only what is closed is adjusted");
      this.#posted.push(entry);
      return;
    }
    if (entry.operation === "reserve" || entry.operation === "extend") {
      assert.equal(open?.id, entry.operation === "extend" ? entry.hold : undefined, "one hold at a time");
      this.#holds.set(packet, {
        id: entry.hold,
        first: open?.first ?? entry.sequence,
        // Of the last of it that was for tokens.
        sequence: entry.charge.outputTokens > 0 ? entry.sequence : (open?.sequence ?? entry.sequence),
      });
      const charge = plus(this.#charges.get(entry.hold)?.charge ?? NO_CHARGE, entry.charge);
      this.#charges.set(entry.hold, { ...entry, charge });
      this.#checkLimits(entry);
    } else {
      assert.equal(open?.id, entry.hold, "a hold is closed once");
      this.#holds.delete(packet);
      this.#charges.delete(entry.hold);
      if (entry.operation === "post") this.#posted.push(entry);
    }
  }

  #checkLimits({ account, charge, atUs }: LedgerEntry): void {
    for (const { account: name, unit, window, amount } of this.#limits.values()) {
      if (amount === null || !`${account}/`.startsWith(`${name}/`) || chargedIn(unit, charge) === 0n)
        continue;
      // It has been held above for as long as the slice is open, and the limit may have been lowered since.
      const isHeldBefore = (slice: string): boolean => {
        return `${account}/`.startsWith(`${slice}/`) && name.length < slice.length;
      };
      if ([...this.#slices].some(isHeldBefore)) continue;
      const below = [...this.#charges.values(), ...this.#posted].filter((one) => {
        const { startUs, endUs } = this.#calendar.span(window, atUs);
        if (one.heldAtUs < startUs || one.heldAtUs >= endUs) return false;
        return `${one.account}/`.startsWith(`${name}/`);
      });
      const used = below.reduce((sum, one) => sum + chargedIn(unit, one.charge), 0n);
      assert(used <= BigInt(amount), `${name} has ${used} of ${amount} ${unit}`);
    }
  }

  #dispatch(dispatch: Dispatch): void {
    this.#alive(dispatch.request);
    const packet = packetOf(dispatch.attempt);
    const hold = this.#holds.get(packet);
    // It may be longer by now than is durable; what it is granted of that is checked with the relays.
    assert(hold !== undefined && hold.first <= this.#durable, `${packet} is sent under a durable hold`);
    const visit = visitOf(dispatch);
    assert(!this.#visited.has(visit), `${visit} is sent once`);
    this.#visited.add(visit);
    this.#attempts.set(dispatch.attempt, {
      dispatch,
      credit: dispatch.creditTokens,
      relayed: new Map([[dispatch.choice, dispatch.resume?.tokens ?? 0]]),
    });
  }

  #forgetVisit(attempt: string): void {
    const running = this.#attempts.get(attempt);
    if (running !== undefined) this.#visited.delete(visitOf(running.dispatch));
  }

  /** A remote endpoint counts requests, the others choices. */
  #sessions(): number {
    let sessions = 0;
    for (const { dispatch } of this.#attempts.values())
      sessions += dispatch.worker === "cloud" ? 1 : dispatch.choices;
    return sessions;
  }

  #alive(request: string): void {
    assert(this.#requests.has(request), `${request} has arrived, and is not settled`);
  }
}

function visitOf({ attempt, worker, model }: Dispatch): string {
  return `${packetOf(attempt)} on ${worker}/${model}`;
}

type Counted = Pick<LedgerEntry, "account" | "charge" | "heldAtUs">;

/** The packet that a hold is for. */
function holdersOf(hold: string): string {
  return hold.slice(0, hold.lastIndexOf(":"));
}

function packetOf(attempt: string): string {
  return attempt.slice(0, attempt.lastIndexOf("#"));
}

const NOTHING = { openHolds: 0, sessions: 0, kvBytes: 0, packets: 0, bytes: 0 };
