import { noCapacity } from "../admission/admission.ts";
import type { Batches } from "../batching/batches.ts";
import type { CoreConfig, Scheduling } from "../config.ts";
import type { Moves } from "../dispatching/moves.ts";
import type { Races } from "../dispatching/races.ts";
import { backoffUs } from "../dispatching/retry.ts";
import type { CapacityReason } from "../errors.ts";
import { type Endpoint, hasFreeSlot } from "../fleet/endpoint.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { Worker } from "../fleet/worker.ts";
import type { Queue } from "../queueing/queue.ts";
import { longestFirst } from "../queueing/stealing.ts";
import type { Random } from "../random.ts";
import { enter, type Packet, type Request } from "../request.ts";
import type { Steps } from "../steps.ts";
import type { Turn } from "../turn.ts";
import { canTake, footprint } from "./placement.ts";
import type { Placement } from "./placing.ts";

export interface PlacesOptions {
  turn: Turn;
  config: CoreConfig;
  scheduling: () => Scheduling;
  random: Random;
  fleet: Fleet;
  queue: Queue;
  batches: Batches;
  placement: Placement;
  moves: Moves;
  races: Races;
  fail: Steps["fail"];
  /** Its time has run out while it waited, as batches see it. */
  late: (request: Request) => void;
  /** It has left the queue, and goes to that endpoint; or back to `reserve`, for what it lacks there. */
  dispatch: (packet: Packet, endpoint: Endpoint) => void;
}

/**
 * Gives packets places at endpoints: at once, or in their order when one comes free. They wait here, and not at workers.
 *
 * ```
 *   enter ──▶ backs off ──▶ stands in the queue ──▶ place ──▶ dispatched
 *     │          ▲               ▲  │
 *     └──────────┴───────────────┘  └──▶ refused: no room in the queue, evicted, or out of time
 *       after a failure, or at once
 * ```
 */
export class Places {
  readonly #turn: Turn;
  readonly #fleet: Fleet;
  readonly #queue: Queue;
  readonly #batches: Batches;
  readonly #placement: Placement;
  readonly #with: PlacesOptions;
  /** A limit of the whole system kept a packet waiting: capacity freed anywhere may serve it. */
  #isHeldBack = false;

  constructor(options: PlacesOptions) {
    this.#turn = options.turn;
    this.#fleet = options.fleet;
    this.#queue = options.queue;
    this.#batches = options.batches;
    this.#placement = options.placement;
    this.#with = options;
  }

  // ── queue ──────────────────────────────────────────────────────────────────────────────

  /** One that needs not wait passes straight through. */
  enter(packet: Packet): void {
    enter(packet, "queue", this.#turn.nowUs);
    const { random, scheduling } = this.#with;
    const delayUs = backoffUs(packet, scheduling().tail.backoff, { nowUs: this.#turn.nowUs, random });
    if (delayUs === 0) return this.stand(packet);
    packet.backoffTimer = this.#turn.after(delayUs, { kind: "packet_backed_off", packet });
  }

  /** It has backed off long enough. */
  stand(packet: Packet): void {
    const { model } = packet.request;
    packet.backoffTimer = null;
    const isTried = packet.attempts > 0 && !packet.hasGivenWay;
    const isFirst = isTried || !this.#queue.isWaiting(model);
    // An answer on its way to another worker had its place before all that wait, and is not turned away for them.
    const isBegun = packet.carried !== null;
    if (isFirst && (isBegun || !this.#batches.isOn) && this.#place(packet)) return;
    if (!isBegun && !this.#makeRoom(packet)) {
      const hasQueue = this.#with.config.limits.queuePacketsMax > 0;
      return this.refuse(packet, hasQueue ? "queue_full" : "all_workers_at_capacity");
    }
    this.#queue.add(packet, this.#turn.nowUs);
    // An answer that has been shown in part, and stands back for others, has until its request's own deadline.
    if (!packet.hasGivenWay) this.#limitWait(packet);
    // Those before it may wait for more room than it needs, or for other workers.
    const mayPass = !isFirst && this.#fleet.available(model).some(hasFreeSlot);
    if (this.#batches.isOn || mayPass) this.fill(model);
  }

  /** A hedge's hold is durable. There may be no place for it any more: it does not wait. */
  placeHedge(hedge: Packet): void {
    enter(hedge, "queue", this.#turn.nowUs);
    if (!this.#place(hedge)) this.#with.races.lose(hedge);
  }

  /** It has waited in vain, or may not wait: the request fails, unless another packet races for the same answer. */
  refuse(packet: Packet, reason: CapacityReason): void {
    if (packet.rival !== null) this.#with.races.lose(packet);
    else this.#with.fail(packet.request, noCapacity(reason));
  }

  /** It does not wait any more, if it did. */
  leave(packet: Packet): void {
    this.#turn.cancel(packet.backoffTimer);
    packet.backoffTimer = null;
    if (!this.#queue.remove(packet, this.#turn.nowUs)) return;
    this.#turn.cancel(packet.queueTimer);
    packet.queueTimer = null;
  }

  #limitWait(packet: Packet): void {
    const waitedBeforeUs = packet.carried === null ? (packet.stagesUs.queue ?? 0) : 0;
    const waitedUs = waitedBeforeUs + this.#turn.nowUs - packet.stageSinceUs;
    const leftUs = Math.max(0, this.#queue.ttlUs(packet) - waitedUs);
    packet.queueTimer = this.#turn.after(leftUs, { kind: "packet_queued", packet });
  }

  /** In a full queue the least urgent give way, the newest of them first. Returns whether there is room. */
  #makeRoom(packet: Packet): boolean {
    const { arrival } = packet.request;
    if (this.#queue.hasRoom(arrival)) return true;
    for (const evicted of this.#queue.evictFor(arrival) ?? []) {
      // Two packets may be of one request, and the first has ended it.
      if (evicted.stage === "queue") this.refuse(evicted, "evicted");
    }
    return this.#queue.hasRoom(arrival);
  }

  // ── place ──────────────────────────────────────────────────────────────────────────────

  /** The best endpoint that has room for the packet now; null when none has, or the whole system has not. */
  find(packet: Packet): Endpoint | null {
    if (this.#queue.isCapped(packet)) return null;
    const candidates = this.#fleet.available(packet.request.model);
    const endpoint = this.#placement.place(packet, candidates, this.#turn.nowUs);
    return endpoint !== null && this.#systemTakes(packet, endpoint) ? endpoint : null;
  }

  /** Gives capacity that has come free on the worker to whoever has waited longest for it. */
  fillOn(worker: Worker): void {
    for (const model of longestFirst(worker, this.#queue)) this.fill(model);
    if (this.#isHeldBack) {
      this.#isHeldBack = false;
      this.fillAll();
    }
    const { moves, scheduling } = this.#with;
    if (scheduling().tail.migration) moves.fill(worker);
  }

  /** Looks at those that wait, whatever for. */
  fillAll(): void {
    for (const model of this.#queue.models) this.fill(model);
  }

  /** Looks at those that wait for the model. */
  fill(model: string): void {
    if (this.#batches.isOn) return this.#placeInBatches(model);
    if (this.#placement.placesBatches) this.#placeTogether(model);
    for (const packet of this.#queue.inOrder(model, this.#turn.nowUs)) {
      // Where one has found no place there may be one for others, but not where nothing is free.
      if (!this.#place(packet) && !this.#fleet.available(model).some(hasFreeSlot)) return;
    }
  }

  /** What waits may go to any worker: it was kept by something other than room at one of them. */
  releaseAll(): void {
    this.#isHeldBack = true;
  }

  #place(packet: Packet): boolean {
    const endpoint = this.find(packet);
    if (endpoint !== null) this.#send(packet, endpoint);
    return endpoint !== null;
  }

  #send(packet: Packet, endpoint: Endpoint): void {
    this.leave(packet);
    enter(packet, "place", this.#turn.nowUs);
    this.#with.dispatch(packet, endpoint);
  }

  #systemTakes(packet: Packet, endpoint: Endpoint): boolean {
    const { sessions, sessionKvBytes: bytes } = footprint(packet, endpoint);
    if (this.#fleet.hasRoom({ sessions, kvBytes: bytes * sessions })) return true;
    this.#isHeldBack = true;
    return false;
  }

  /** All that wait, or as many as are looked at in one go. */
  #placeTogether(model: string): void {
    const { nowUs } = this.#turn;
    const packets = this.#queue.front(model, nowUs);
    const places = this.#placement.placeBatch(packets, this.#fleet.available(model), nowUs);
    for (const [packet, endpoint] of places) {
      // They fit together, but an endpoint may be one that is tried with a single one at a time.
      if (!canTake(endpoint, packet) || this.#queue.isCapped(packet)) continue;
      if (this.#systemTakes(packet, endpoint)) this.#send(packet, endpoint);
    }
  }

  /** Only as many as the batching policy lets go. */
  #placeInBatches(model: string): void {
    for (const packet of this.#queue.front(model, this.#turn.nowUs)) {
      if (packet.carried !== null) this.#place(packet);
    }
    let placed: Packet[];
    do {
      const packets = this.#queue.front(model, this.#turn.nowUs).filter(({ carried }) => carried === null);
      const { late, take } = this.#batches.plan(model, packets);
      placed = packets.slice(late, late + take).filter((packet) => this.#place(packet));
      const sent = placed.filter(({ attempt }) => attempt !== null);
      this.#batches.sent(model, sent);
      for (const { request } of packets.slice(0, late)) this.#with.late(request);
      // What is left may be a batch too.
    } while (placed.length > 0);
  }
}
