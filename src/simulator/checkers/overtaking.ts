import type { Dispatch, Effect } from "../../core/effects.ts";
import type { SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { isHedge, packetOf } from "../ids.ts";
import { isAnywhere, isFirstCome } from "../policies.ts";
import type { Checker, Violate } from "./checker.ts";
import type { Knowledge, KnownRequest } from "./knowledge.ts";
import type { WatchedPacket } from "./lifecycle.ts";

/** Of each flow so many are looked at in any case, though nothing was found for any of them. */
export const LOOKED_AT = 8;

/**
 * Who goes first: among packets for one model that have not been tried before, those of a more urgent band where bands are
 * strict, and those that came first where first come is first served. Where there is no room for one, one behind it may
 * go before, but none that needs as much. Has to look at each step before `LifecycleChecker`, which takes those that are
 * served out of the line.
 */
export class OvertakingChecker implements Checker {
  readonly #violate: Violate;
  readonly #knowledge: Knowledge;
  readonly #waiting: () => ReadonlySet<WatchedPacket>;
  /** Those who wait keep the places that they had under other policies. */
  #hasChanged = false;
  #nowUs: Micros = 0;

  constructor(
    sources: { knowledge: Knowledge; waiting: () => ReadonlySet<WatchedPacket> },
    violate: Violate,
  ) {
    this.#knowledge = sources.knowledge;
    this.#waiting = sources.waiting;
    this.#violate = violate;
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    this.#nowUs = nowUs;
    if (event.kind === "policy_set") this.#hasChanged = true;
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    const left = new Set<string>();
    for (const effect of effects) {
      if (effect.kind === "append_ledger") {
        const { operation, hold, charge } = effect.entry;
        // Who waits for GPU time where he has found a place keeps nobody from it.
        const isHeldBack = operation === "extend" && charge.gpuUs > 0;
        if (operation === "post" || operation === "void" || isHeldBack) left.add(packetOf(hold));
      }
      if (effect.kind !== "dispatch") continue;
      this.#check(effect, left);
      left.add(packetOf(effect.attempt));
    }
  }

  #check(dispatch: Dispatch, left: ReadonlySet<string>): void {
    const { request, attempt, model, choices, maxTokens, worker } = dispatch;
    const packet = packetOf(attempt);
    const served = this.#knowledge.requestOf(attempt);
    // One that has been tried goes before those that have not.
    const isFresh = attempt.endsWith("#1") && !isHedge(packet);
    if (served === undefined || !isFresh || !this.#isJudged(worker)) return;
    const endpoint = this.#knowledge.workers.get(worker)!.models.find((each) => each.model === model);
    // One with a longer context may have been chosen for the other, for which the whole system then had no room.
    const tokens = Math.min(served.arrival.promptTokensMax + maxTokens, endpoint?.contextTokens ?? 0);
    const seen = new Map<string, number>();
    const heldLanes = new Set<string>();
    let isInFront = true;
    for (const { id, attempts, sinceUs } of this.#waiting()) {
      if (id === packet) isInFront = false;
      if (id === packet || attempts > 0 || left.has(id) || sinceUs === this.#nowUs) continue;
      const other = this.#knowledge.requestOf(id);
      if (other?.model !== model || !this.#isBefore(other, served, isInFront)) continue;
      const flow = `${this.#knowledge.bandOf(other)} ${this.#knowledge.flowOf(other)}`;
      const place = (seen.get(flow) ?? 0) + 1;
      seen.set(flow, place);
      const lane = JSON.stringify(other.arrival.hints.labels);
      if (heldLanes.has(lane)) continue;
      if (this.#isImpatient(sinceUs)) heldLanes.add(lane);
      const need = this.#knowledge.needOf(id, other);
      if (place > LOOKED_AT || need.places > choices || need.tokens > tokens) continue;
      if (!this.#knowledge.hasLabels(worker, other)) continue;
      this.#violate(request, `${packet} is served before ${id}, which came first or is more urgent`);
    }
  }

  /** Whether it may have been overtaken so often that none with the same labels goes before it any more. */
  #isImpatient(sinceUs: Micros): boolean {
    const { config, scheduling } = this.#knowledge;
    const ttls = scheduling.queueing.bands.map(({ ttlUs }) => ttlUs ?? config.timeouts.queueUs);
    return this.#nowUs - sinceUs >= Math.min(...ttls) / 8;
  }

  /** Only workers that stop at a token take whatever is sent to any of them, and not all profiles send everything to all. */
  #isJudged(worker: string): boolean {
    const spec = this.#knowledge.workers.get(worker);
    const { queueing, placement } = this.#knowledge.scheduling;
    const isLine = queueing.batching === null && Object.keys(queueing.caps).length === 0;
    return spec?.dialect === "headgate" && !spec.isRemote && isAnywhere(placement) && isLine;
  }

  #isBefore(other: KnownRequest, served: KnownRequest, isInFront: boolean): boolean {
    const { queueing } = this.#knowledge.scheduling;
    const [otherBand, servedBand] = [this.#knowledge.bandOf(other), this.#knowledge.bandOf(served)];
    if (otherBand !== servedBand) return queueing.bandPolicy.name === "strict" && otherBand < servedBand;
    // One whose hold was there before may have come after.
    return (
      isInFront &&
      other.number <= served.number &&
      !this.#hasChanged &&
      isFirstCome({ ...queueing, bands: queueing.bands.slice(0, 1) })
    );
  }
}
