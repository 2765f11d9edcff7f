import type { Dispatch, Effect, FailRequest } from "../../core/effects.ts";
import type { RequestArrived, SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { packetOf, requestOf } from "../ids.ts";
import { Buckets, namesOf } from "./buckets.ts";
import { type Checker, isEnd, type Violate } from "./checker.ts";
import type { Knowledge } from "./knowledge.ts";
import type { WatchedPacket } from "./lifecycle.ts";

/** What a request is told that was turned away before its model's rate was looked at. */
const BEFORE_RATES: ReadonlySet<string> = new Set([
  "draining",
  "no_workers",
  "no_healthy_workers",
  "no_matching_labels",
  "system_sessions_full",
  "system_kv_cache_full",
  "queue_full",
  "band_full",
  "shed",
]);

/**
 * Who is turned away, and who is not: what may be shed is, and nothing else; as many as a model's rate allows come in, and
 * no more; a flow runs no more than its cap; and in a full queue the least urgent give way, the newest first. Has to look at
 * each step before `LifecycleChecker`.
 */
export class AdmissionsChecker implements Checker {
  readonly #violate: Violate;
  readonly #knowledge: Knowledge;
  readonly #waiting: () => ReadonlySet<WatchedPacket>;
  readonly #hasRates: boolean;
  readonly #buckets: Buckets;
  /** Attempts under way, with the request's flow told anew each time: what makes a flow may change. */
  readonly #running = new Set<string>();
  #arrival: RequestArrived | null = null;
  #nowUs: Micros = 0;

  constructor(
    sources: {
      knowledge: Knowledge;
      waiting: () => ReadonlySet<WatchedPacket>;
      /** Whether rates are its own, and not shared with others. */
      hasRates: boolean;
    },
    violate: Violate,
  ) {
    this.#hasRates = sources.hasRates;
    this.#knowledge = sources.knowledge;
    this.#waiting = sources.waiting;
    this.#buckets = new Buckets(sources.knowledge.scheduling.admission);
    this.#violate = violate;
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    this.#nowUs = nowUs;
    this.#arrival = event.kind === "request_arrived" ? event : null;
    if (isEnd(event)) this.#running.delete(event.attempt);
    if (event.kind === "policy_set") this.#buckets.setRates(this.#knowledge.scheduling.admission);
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    let refusal: FailRequest | null = null;
    const evicted: string[] = [];
    const failed: string[] = [];
    for (const effect of effects) {
      if (effect.kind === "cancel_attempt") this.#running.delete(effect.attempt);
      if (effect.kind === "dispatch") this.#dispatched(effect);
      if (effect.kind !== "fail_request") continue;
      failed.push(effect.request);
      if (effect.request === this.#arrival?.request) refusal = effect;
      if (effect.error.reason === "evicted") evicted.push(effect.request);
    }
    if (this.#arrival !== null) this.#admitted(this.#arrival, refusal);
    if (evicted.length > 0) this.#checkEvicted(evicted, new Set(failed));
  }

  // ── rates and shedding ─────────────────────────────────────────────────────────────────

  #admitted(arrival: RequestArrived, refusal: FailRequest | null): void {
    const { request } = arrival;
    const code = refusal?.error.code ?? null;
    const reason = refusal?.error.reason ?? "";
    if (reason === "shed") this.#checkShed(request);
    if (code === "model_not_found" || (code === "capacity" && BEFORE_RATES.has(reason))) return;
    if (!this.#hasRates) return;
    const isLimited = code === "rate_limited";
    const mayPass = this.#takeTurn(request);
    if (mayPass === isLimited) {
      this.#violate(request, isLimited ? "is refused by a rate that has room" : "is let in beyond its rate");
    }
  }

  #checkShed(request: string): void {
    const known = this.#knowledge.requestOf(request)!;
    const { queueing, admission } = this.#knowledge.scheduling;
    const band = queueing.bands[this.#knowledge.bandOf(known)]!;
    if (!band.isSheddable) this.#violate(request, `is shed, which ${band.name} requests are not`);
    if (admission.shedding.name === "none") this.#violate(request, "is shed where nothing is");
  }

  /** Takes a request out of all the buckets it counts in; false when one of them has none. */
  #takeTurn(request: string): boolean {
    const { model, arrival } = this.#knowledge.requestOf(request)!;
    const { tenant, key } = arrival;
    return this.#buckets.take(namesOf(model, [tenant, `${tenant}/${key}`]), this.#nowUs);
  }

  // ── caps ───────────────────────────────────────────────────────────────────────────────

  #dispatched({ request, attempt }: Dispatch): void {
    const { caps } = this.#knowledge.scheduling.queueing;
    if (Object.keys(caps).length > 0) {
      const flow = this.#knowledge.flowOf(this.#knowledge.requestOf(attempt)!);
      const cap = Object.hasOwn(caps, flow) ? caps[flow]! : Infinity;
      let running = 1;
      for (const other of this.#running) {
        if (this.#knowledge.flowOf(this.#knowledge.requestOf(other)!) === flow) running++;
      }
      if (running > cap)
        this.#violate(request, `${attempt} is number ${running} of ${flow}, whose cap is ${cap}`);
    }
    this.#running.add(attempt);
  }

  // ── eviction ───────────────────────────────────────────────────────────────────────────

  /** `gone` are all that have failed in the same step, for want of room, too. */
  #checkEvicted(evicted: readonly string[], gone: ReadonlySet<string>): void {
    const bands = evicted.map((request) => this.#knowledge.bandOf(this.#knowledge.requestOf(request)!));
    const worst = Math.max(...bands);
    const best = Math.min(...bands);
    if (best === 0) this.#violate(evicted[0]!, "gives way, and nobody is more urgent");
    const left = [...this.#waiting()].filter((packet) => this.#hasStayed(packet, gone));
    for (const { id, sinceUs } of left) {
      const band = this.#knowledge.bandOf(this.#knowledge.requestOf(id)!);
      if (band > worst) this.#violate(evicted[0]!, `gives way before ${id}, which is less urgent`);
      // Those that several evictions in one step have left for later are not known one by one.
      if (band !== best || evicted.length > 1) continue;
      const victims = [...this.#waiting()].filter((packet) => evicted.includes(requestOf(packet.id)));
      const isOldest = victims.length > 0 && victims.every((packet) => packet.sinceUs < sinceUs);
      if (isOldest) this.#violate(evicted[0]!, `gives way before ${id}, which came later`);
    }
  }

  /** Whether a packet waited before this step and goes on to: one that was tried before has another place in line. */
  #hasStayed({ id, sinceUs, attempts }: WatchedPacket, gone: ReadonlySet<string>): boolean {
    return attempts === 0 && sinceUs < this.#nowUs && !gone.has(requestOf(id)) && this.#isQueued(id);
  }

  #isQueued(id: string): boolean {
    return [...this.#running].every((attempt) => packetOf(attempt) !== id);
  }
}
