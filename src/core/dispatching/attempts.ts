import { gpuTime, places, shareOfPlace } from "../budget/gpu-time.ts";
import { ChurnMap } from "../churn.ts";
import type { CoreConfig } from "../config.ts";
import type { ParkAttempt } from "../effects.ts";
import type { Endpoint } from "../fleet/endpoint.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { isRemote } from "../fleet/worker.ts";
import { footprint } from "../placement/placement.ts";
import type { Attempt, Packet } from "../request.ts";
import { silentAtUs } from "../streaming/meter.ts";
import type { Turn } from "../turn.ts";
import { lifeOf, stateFor } from "./carrying.ts";
import { seconds } from "../units.ts";

/** How long an endpoint that is full is left alone when nothing else is heard of it. */
const REFUSAL_US = seconds(1);

/**
 * Attempts under way. From `begin` to `end` an attempt counts on its endpoint's load, and its
 * silence is watched: with one timer for each attempt and none for each token.
 */
export class Attempts {
  readonly #turn: Turn;
  readonly #fleet: Fleet;
  readonly #timeouts: CoreConfig["timeouts"];
  readonly #running = new ChurnMap<string, Attempt>();

  constructor(turn: Turn, fleet: Fleet, timeouts: CoreConfig["timeouts"]) {
    this.#turn = turn;
    this.#fleet = fleet;
    this.#timeouts = timeouts;
  }

  /** Undefined for an attempt that has ended: events may cross with our own decisions. */
  get(id: string): Attempt | undefined {
    return this.#running.get(id);
  }

  /** Sends the packet to the endpoint, to begin its answer or to go on with it. */
  begin(packet: Packet, endpoint: Endpoint, { isPrefillOnly }: { isPrefillOnly: boolean }): Attempt {
    const { request, choice, choices, maxTokens, creditTokens, carried } = packet;
    const carriedTokens = carried?.tokens ?? 0;
    packet.attempts++;
    const { sessions: slots, sessionKvBytes } = footprint(packet, endpoint);
    // A remote endpoint mixes its choices in one stream of its own.
    const streams = isRemote(endpoint.worker) ? 1 : choices;
    const attempt: Attempt = {
      id: `${packet.id}#${packet.attempts}`,
      packet,
      endpoint,
      life: lifeOf(endpoint),
      slots,
      streams: Array.from({ length: streams }, () => ({ generatedTokens: carriedTokens, end: null })),
      creditTokens: (creditTokens * choices) / streams,
      kvBytes: sessionKvBytes * slots,
      prompt: carried?.prompt ?? null,
      hasStarted: false,
      dispatchedUs: this.#turn.nowUs,
      generatedTokens: carriedTokens,
      generatedTokensMax: carriedTokens,
      carriedTokens,
      isPrefillOnly,
      isParking: false,
      isYielding: false,
      isShort: false,
      progressUs: this.#turn.nowUs,
      silence: null,
      gpu: {
        share: places(shareOfPlace(endpoint), slots),
        next: null,
        creditGpuUs: 0,
        timer: null,
        shortage: null,
      },
    };
    packet.attempt = attempt;
    packet.hasGivenWay = false;
    request.workers.push(endpoint.worker.id);
    this.#running.set(attempt.id, attempt);
    this.#fleet.occupy(attempt);
    this.#watch(attempt);
    this.#turn.emit({
      kind: "dispatch",
      attempt: attempt.id,
      request: request.id,
      choice,
      choices,
      worker: endpoint.worker.id,
      model: endpoint.model,
      maxTokens,
      creditTokens: attempt.creditTokens,
      resume:
        carried === null
          ? null
          : { attempt: carried.attempt, tokens: carried.tokens, stateOn: stateFor(endpoint, packet) },
      isPrefillOnly,
    });
    return attempt;
  }

  /** Asks the endpoint to stop and to keep the KV state, so that another one can go on. */
  park(attempt: Attempt, reason: ParkAttempt["reason"]): void {
    if (attempt.isParking) return;
    attempt.isParking = true;
    this.#turn.emit({ kind: "park_attempt", attempt: attempt.id, reason });
  }

  /** Its hold has become longer, and is durable. */
  grant(attempt: Attempt, creditTokens: number): void {
    attempt.creditTokens = creditTokens;
    attempt.isShort = false;
    // It may have had to stop and wait for it.
    this.progressed(attempt);
    this.#turn.emit({ kind: "grant_credit", attempt: attempt.id, creditTokens });
  }

  /** The endpoint has nothing more to do with it; until now it took time of its GPUs. */
  end(attempt: Attempt): void {
    const { packet, gpu, dispatchedUs } = attempt;
    packet.usedGpuUs += gpuTime(this.#turn.nowUs - dispatchedUs, gpu.share);
    this.#leave(attempt);
  }

  /** Tells the endpoint to stop. */
  cancel(attempt: Attempt, reason: string): void {
    this.#turn.emit({ kind: "cancel_attempt", attempt: attempt.id, reason });
    this.end(attempt);
  }

  /** It has shown progress, which makes the end of its patience later, or sooner once the prompt is read. */
  progressed(attempt: Attempt): void {
    attempt.progressUs = this.#turn.nowUs;
    if (attempt.silence === null || attempt.silence.atUs <= silentAtUs(attempt, this.#timeouts)) return;
    this.#turn.cancel(attempt.silence);
    this.#watch(attempt);
  }

  /**
   * The endpoint had no room, whatever we thought: our cancel may still be on its way, or others
   * may be using it. It is left alone until something ends there or it reports, or for a while. Of its GPUs nothing was taken.
   */
  turnedAway(attempt: Attempt): void {
    const { endpoint } = attempt;
    this.#leave(attempt);
    endpoint.ceiling = endpoint.inFlight;
    endpoint.refusal = this.#turn.after(REFUSAL_US, { kind: "endpoint_refused", endpoint });
  }

  /** The endpoint may be asked again, for one more than it is known to take: not for all that wait at once. */
  forgive(endpoint: Endpoint): void {
    this.#turn.cancel(endpoint.refusal);
    endpoint.refusal = null;
    endpoint.ceiling = endpoint.ceiling < endpoint.slots ? endpoint.ceiling + 1 : Infinity;
  }

  /** Looks back when the timer fires: true when nothing has come for too long, else it waits on. */
  isSilent(attempt: Attempt): boolean {
    const { request, heldTokens, creditTokens } = attempt.packet;
    // Nobody reads from the endpoint while the client does not read; nor can it go on while its credit is on its way to the disk.
    if (request.slowClient !== null || heldTokens > creditTokens) attempt.progressUs = this.#turn.nowUs;
    if (silentAtUs(attempt, this.#timeouts) <= this.#turn.nowUs) return true;
    this.#watch(attempt);
    return false;
  }

  #leave(attempt: Attempt): void {
    this.#running.delete(attempt.id);
    attempt.packet.attempt = null;
    this.#turn.cancel(attempt.silence);
    this.#turn.cancel(attempt.gpu.timer);
    this.#fleet.release(attempt);
    this.forgive(attempt.endpoint);
  }

  #watch(attempt: Attempt): void {
    attempt.silence = this.#turn.at(silentAtUs(attempt, this.#timeouts), { kind: "attempt_silent", attempt });
  }
}
