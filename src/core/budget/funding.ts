import { isShown, type Packet } from "../request.ts";
import type { Turn } from "../turn.ts";
import { seconds } from "../units.ts";
import type { Shortage } from "./shortage.ts";
import type { Reservations } from "./reservations.ts";

/** How often a packet that waits for its budget asks whether others have left something of it. */
const ASK_AGAIN_US = seconds(0.1);

/** Gets packets their holds: at once, or when the budget that is short has room again. */
export class Funding {
  readonly #turn: Turn;
  readonly #reservations: Reservations;
  readonly #isDraining: () => boolean;

  /** Nobody begins to wait while the supervisor drains. */
  constructor(turn: Turn, reservations: Reservations, isDraining: () => boolean) {
    this.#isDraining = isDraining;
    this.#turn = turn;
    this.#reservations = reservations;
  }

  /** Null when the packet has its hold or waits for it; else the limit because of which it gets none. */
  fund(packet: Packet): Shortage | null {
    const shortage = this.#reservations.reserve(packet);
    return shortage === null ? null : this.#short(packet, shortage);
  }

  /** Its budget has no room: it waits, if it asked to and that can help, or is refused. */
  #short(packet: Packet, shortage: Shortage): Shortage | null {
    const { arrival, arrivedUs } = packet.request;
    const patienceUs = arrivedUs + arrival.budgetWaitUs;
    // Who races against another attempt, or has shown part of an answer, has no time to wait.
    const canWait = !packet.isHedge && !isShown(packet) && patienceUs > this.#turn.nowUs;
    const canHelp = canWait && !shortage.isPermanent && !this.#isDraining();
    if (!canHelp || !this.#reservations.waitForFunds(packet, shortage.account)) {
      return shortage;
    }
    // A new window helps, even where a hold that is released would do; what other supervisors release is not told.
    const againUs = this.#reservations.isReplica ? this.#turn.nowUs + ASK_AGAIN_US : Infinity;
    const atUs = Math.min(patienceUs, this.#reservations.endOf(shortage.limit), againUs);
    if (packet.fundingTimer?.atUs === atUs) return null;
    this.#turn.cancel(packet.fundingTimer);
    packet.fundingTimer = this.#turn.at(atUs, { kind: "packet_unfunded", packet });
    return null;
  }
}
