import type { LimitReached } from "../budget/shortage.ts";
import { type GpuShare, lasting } from "../budget/gpu-time.ts";
import type { Reservations } from "../budget/reservations.ts";
import type { Attempt, Packet } from "../request.ts";
import type { Turn } from "../turn.ts";
import type { Micros } from "../units.ts";

/**
 * How long attempts run on GPUs: no longer than the time lasts that a durable hold covers. One timer for each attempt of which
 * that may be over before its request's own time is.
 *
 * ```
 *   dispatch ── half of a packet is left ──▶ ask ──▶ the longer hold is durable ──▶ half a packet of that is left …
 *                                             │ refused, or no word yet
 *                                             ▼
 *              half of that is left ────▶ last call: for whatever there still is
 *                                             │
 *                                             ▼
 *                    it is over ────────▶ cut
 * ```
 * The time that was held is over when it is over: who waits for a disk or for a lease goes on running meanwhile, so that the
 * last call is not at the very end, as it is for tokens. Nothing is ever cut where no limit counts GPU time: a hold that is too
 * short there, as of a packet that no GPU was known for, is made longer for the bill alone.
 */
export class GpuBounds {
  readonly #turn: Turn;
  readonly #reservations: Reservations;
  readonly #packetUs: Micros;

  /** `gpuPacketUs` is how much time is held at once. */
  constructor(turn: Turn, reservations: Reservations, { gpuPacketUs }: { gpuPacketUs: Micros }) {
    this.#packetUs = gpuPacketUs;
    this.#turn = turn;
    this.#reservations = reservations;
  }

  /**
   * Whether the packet may begin where it gets such a share of GPUs. Under a limit it `waits` for a longer hold where less than
   * half a packet of time is left of its own, or is `short`: there is none. A part of a packet is better than nothing.
   */
  cover(packet: Packet, share: GpuShare): "covered" | "waits" | "short" {
    if (!this.#reservations.isTimed(packet)) return "covered";
    const leftUs = lasting(packet.creditGpuUs - packet.usedGpuUs, share);
    const neededUs = Math.min(this.#packetUs / 2, endOf(packet) - this.#turn.nowUs);
    if (leftUs >= neededUs) return "covered";
    if (isOnItsWay(packet)) return "waits";
    const result = this.#reservations.extendTime(packet, share, { isLastCall: leftUs > 0 });
    if (result === null || result === "asked") return "waits";
    return leftUs > 0 ? "covered" : "short";
  }

  /** Its longer hold has become durable: by time, or by tokens alone. */
  lengthened(attempt: Attempt): void {
    if (attempt.packet.creditGpuUs > attempt.gpu.creditGpuUs) this.watch(attempt);
  }

  /** From here on it may run for as long as its hold pays for. */
  watch(attempt: Attempt): void {
    const { gpu, packet } = attempt;
    this.#turn.cancel(gpu.timer);
    gpu.creditGpuUs = packet.creditGpuUs;
    gpu.timer = null;
    gpu.next = null;
    gpu.shortage = null;
    if (boundOf(attempt) >= endOf(packet)) return;
    if (this.#reservations.isTimed(packet)) this.#wait(attempt, "ask");
    else this.#ask(attempt, { isLastCall: false });
  }

  /** Half of it is over, or more. Returns whether all is. */
  due(attempt: Attempt): boolean {
    switch (attempt.gpu.next) {
      case "ask":
        this.#wait(attempt, "last_call");
        this.#ask(attempt, { isLastCall: false });
        return false;
      case "last_call":
        this.#wait(attempt, "cut");
        this.#ask(attempt, { isLastCall: true });
        return false;
      default:
        if (this.#reservations.isTimed(attempt.packet)) return true;
        // There is no limit any more.
        attempt.gpu.next = null;
        this.#ask(attempt, { isLastCall: false });
        return false;
    }
  }

  /** The lease that it has asked for has come, or there is none. */
  retry(attempt: Attempt): void {
    const { next } = attempt.gpu;
    if (next === "last_call" || next === "cut") this.#ask(attempt, { isLastCall: next === "cut" });
  }

  /** The limit that has ended it; null where there is none any more. */
  limitOf({ gpu, packet }: Attempt): LimitReached | null {
    return gpu.shortage ?? this.#reservations.gpuLimit(packet);
  }

  #ask(attempt: Attempt, { isLastCall }: { isLastCall: boolean }): void {
    const { packet, gpu } = attempt;
    if (isOnItsWay(packet)) return;
    const result = this.#reservations.extendTime(packet, gpu.share, { isLastCall });
    gpu.shortage = result === null || result === "asked" ? null : result;
  }

  #wait(attempt: Attempt, next: "ask" | "last_call" | "cut"): void {
    const { nowUs } = this.#turn;
    const leftUs = Math.max(0, boundOf(attempt) - nowUs);
    // Of a hold that lasts for long, as after a move to where places are smaller, only the last packet is looked at.
    const aheadUs = next === "cut" ? 0 : Math.ceil(Math.min(leftUs, this.#packetUs) / 2);
    const inUs = leftUs - aheadUs;
    attempt.gpu.next = next;
    attempt.gpu.timer = this.#turn.after(inUs, { kind: "gpu_time_due", attempt });
  }
}

/** A longer hold is, to the disk. */
function isOnItsWay({ heldGpuUs, creditGpuUs }: Packet): boolean {
  return heldGpuUs > creditGpuUs;
}

/** Its request runs no longer anyway. */
function endOf({ request }: Packet): Micros {
  return request.deadline?.atUs ?? Infinity;
}

/** When what is held, and durable, is over. */
function boundOf({ packet, gpu, dispatchedUs }: Attempt): Micros {
  return dispatchedUs + lasting(packet.creditGpuUs - packet.usedGpuUs, gpu.share);
}
