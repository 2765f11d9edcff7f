import { assert } from "../assert.ts";
import type { Packet } from "../request.ts";
import type { Turn } from "../turn.ts";
import type { Charge } from "../vocabulary.ts";
import { Budget } from "./budget.ts";
import type { LedgerEntry } from "./ledger-entry.ts";

/** The holds of packets: taken before dispatch, waited for until they are durable, closed once. */
export class Reservations {
  readonly #turn: Turn;
  readonly #budget = new Budget();
  /** Packets whose hold is not durable yet, in ledger order. */
  readonly #waiting = new Set<Packet>();

  constructor(turn: Turn) {
    this.#turn = turn;
  }

  get openHolds(): number {
    return this.#budget.openHolds;
  }

  /** Holds the worst case; `durable` names the packet once that would survive a crash. */
  reserve(packet: Packet, worstCase: Charge): void {
    const { hold, entry } = this.#budget.reserve({
      id: `${packet.id}:${packet.attempts}`,
      account: `global/${packet.request.arrival.tenant}`,
      worstCase,
    });
    packet.hold = hold;
    this.#waiting.add(packet);
    this.#append(entry);
  }

  /** Packets whose hold is durable now that the ledger is, up to that position. */
  *durable(through: number): Iterable<Packet> {
    for (const packet of this.#waiting) {
      assert(packet.hold !== null, `${packet.id} waits for a hold`);
      if (packet.hold.sequence > through) return;
      this.#waiting.delete(packet);
      yield packet;
    }
  }

  /** Posts what was used and frees the rest; what was not used at all is voided. */
  close(packet: Packet, used: Charge): void {
    const { hold } = packet;
    if (hold === null) return;
    packet.hold = null;
    this.#waiting.delete(packet);
    const isUsed = used.inputTokens + used.outputTokens > 0;
    this.#append(isUsed ? this.#budget.post(hold, used) : this.#budget.void(hold));
  }

  #append(entry: LedgerEntry): void {
    this.#turn.emit({ kind: "append_ledger", entry });
  }
}
