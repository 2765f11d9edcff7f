import assert from "node:assert/strict";
import type { Dispatch, Effect } from "../../src/core/effects.ts";
import type { SupervisorEvent } from "../../src/core/events.ts";
import type { Inspection } from "../../src/core/inspection.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";

/**
 * What has to hold of any sequence of events and effects whatsoever, seen from outside:
 * - every request that arrives is settled once, told its end at most once, and then left alone;
 * - every attempt is sent once, under a hold that is durable, and to an endpoint that has not had
 *   its packet before; no more is relayed of it than its credit, and nothing once it is over;
 * - every hold is closed once, and the ledger has no gaps;
 * - what `inspect` counts is what was sent and has not ended; when no request is left, nothing is.
 */
export class Invariants {
  readonly #requests = new Set<string>();
  readonly #told = new Set<string>();
  /** Sequence of the open hold, by packet. */
  readonly #holds = new Map<string, { id: string; sequence: number }>();
  readonly #attempts = new Map<string, { dispatch: Dispatch; relayed: number }>();
  readonly #visited = new Set<string>();
  #sequence = 0;
  #durable = 0;
  #isDrainAsked = false;
  #isDrained = false;

  observe(event: SupervisorEvent, effects: readonly Effect[]): void {
    if (event.kind === "request_arrived") this.#requests.add(event.request);
    if (event.kind === "ledger_durable") this.#durable = Math.max(this.#durable, event.through);
    if (event.kind === "drain_asked") this.#isDrainAsked = true;
    // An endpoint that was full has not failed the packet and may be asked again.
    if (event.kind === "attempt_failed" && event.reason === "at_capacity") this.#forgetVisit(event.attempt);
    if (event.kind === "attempt_failed" || event.kind === "attempt_finished") {
      this.#attempts.delete(event.attempt);
    }
    for (const effect of effects) this.#observeEffect(effect);
  }

  check(inspection: Inspection): void {
    const { requests, openHolds, sessions, kvBytes, queue, workers } = inspection;
    assert.equal(requests, this.#requests.size, "requests");
    assert.equal(openHolds, this.#holds.size, "holds");
    assert.equal(sessions, this.#attempts.size, "sessions");
    let inFlight = 0;
    let reserved = 0;
    for (const worker of workers) {
      inFlight += worker.inFlight;
      reserved += worker.kvBytesReserved;
    }
    assert.deepEqual({ inFlight, reserved }, { inFlight: sessions, reserved: kvBytes }, "workers");
    if (requests > 0) return;
    assert.deepEqual({ openHolds, sessions, kvBytes, queue }, NOTHING, "something is left");
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
        attempt.relayed += effect.tokens;
        assert(attempt.relayed <= attempt.dispatch.creditTokens, `${effect.attempt} has no such credit`);
        return;
      }
      case "cancel_attempt":
        assert(this.#attempts.delete(effect.attempt), `${effect.attempt} is cancelled while it runs`);
        return;
      case "finish_answer":
        assert(!this.#attempts.has(effect.attempt), `${effect.attempt} is over`);
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
      case "answer_heartbeat":
      case "worker_changed":
      case "wake":
        return;
    }
  }

  #entry(entry: LedgerEntry): void {
    assert.equal(entry.sequence, ++this.#sequence, "the ledger has no gaps");
    const packet = entry.hold.slice(0, entry.hold.lastIndexOf(":"));
    const open = this.#holds.get(packet);
    if (entry.operation === "reserve") {
      assert(open === undefined, `${packet} has one hold at a time`);
      this.#holds.set(packet, { id: entry.hold, sequence: entry.sequence });
    } else {
      assert.equal(open?.id, entry.hold, "a hold is closed once");
      this.#holds.delete(packet);
    }
  }

  #dispatch(dispatch: Dispatch): void {
    this.#alive(dispatch.request);
    const packet = dispatch.attempt.slice(0, dispatch.attempt.lastIndexOf("#"));
    const hold = this.#holds.get(packet);
    assert(hold !== undefined && hold.sequence <= this.#durable, `${packet} is sent under a durable hold`);
    const visit = visitOf(dispatch);
    assert(!this.#visited.has(visit), `${visit} is sent once`);
    this.#visited.add(visit);
    this.#attempts.set(dispatch.attempt, { dispatch, relayed: 0 });
  }

  #forgetVisit(attempt: string): void {
    const running = this.#attempts.get(attempt);
    if (running !== undefined) this.#visited.delete(visitOf(running.dispatch));
  }

  #alive(request: string): void {
    assert(this.#requests.has(request), `${request} has arrived, and is not settled`);
  }
}

function visitOf({ attempt, worker, model }: Dispatch): string {
  return `${attempt.slice(0, attempt.lastIndexOf("#"))} on ${worker}/${model}`;
}

const NOTHING = { openHolds: 0, sessions: 0, kvBytes: 0, queue: { packets: 0, bytes: 0 } };
