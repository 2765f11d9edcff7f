import { SliceAnswers } from "../budget/slice-answers.ts";
import { unknown, viewAt } from "../budget/slice-rules.ts";
import type { SlicesKnown } from "../events.ts";
import type { Micros } from "../units.ts";
import type { SliceAsk } from "./lease.ts";
import { SliceClosings } from "./slice-closings.ts";
import type { SliceAsker, SliceHost } from "./slice-host.ts";
import { SliceOpenings } from "./slice-openings.ts";

/**
 * Opens, shows and closes the slices of a ledger that several supervisors share. No replica may go on as if there were none
 * when one is opened, nor draw on one that is closed: so each is told before, and says in its line of entries that it knows.
 * Nobody waits for that but those who want something at or below the account.
 */
export class SliceDesk {
  readonly #host: SliceHost;
  readonly #answers: SliceAnswers;
  readonly #openings: SliceOpenings;
  readonly #closings: SliceClosings;
  #lastNumber = 0;

  constructor(host: SliceHost) {
    this.#host = host;
    this.#answers = new SliceAnswers(({ replica, ask, slice }) => {
      host.tell(replica!, { kind: "slice_told", ask, slice, error: null });
    });
    const parts = { host, answers: this.#answers, nextNumber: () => ++this.#lastNumber };
    this.#closings = new SliceClosings(parts);
    this.#openings = new SliceOpenings(parts, this.#closings);
  }

  /** What a replica that joins has to know. It draws on nothing that is being closed, and nobody waits for its word. */
  known(): SlicesKnown {
    const { slices } = this.#host.books.accounts;
    const all = Map.groupBy(slices.open, ({ account }) => this.#closings.isClosing(account));
    const closing = (all.get(true) ?? []).map(({ account }) => account);
    const open = (all.get(false) ?? []).map(({ rest: _rest, ...terms }) => terms);
    return { open, coming: this.#openings.coming, closed: [...slices.closed, ...closing] };
  }

  asked(replica: string, { asked, ...bands }: SliceAsk): void {
    const { ask, account } = asked;
    const asker = { replica, ask, account };
    switch (asked.action) {
      case "open":
        return this.#openings.add(replica, asked, bands);
      case "show":
        return this.#show(asker);
      case "close":
        // Closing one that is closed changes nothing.
        if (!this.#closings.close(account, asker)) this.#show(asker);
    }
  }

  /** The replica has said in its line that it knows of a slice to come. */
  awaited(replica: string, opening: number): void {
    this.#openings.awaited(replica, opening);
  }

  /** And of one to be closed. */
  left(replica: string, closing: number): void {
    this.#closings.left(replica, closing);
  }

  /** Nobody waits for the word of a replica that is gone. */
  gone(replica: string): void {
    this.#openings.gone(replica);
    this.#closings.gone(replica);
  }

  durable(through: number): void {
    this.#answers.durable(through);
  }

  /** When something has to be done; null for never. */
  dueUs(nowUs: Micros): Micros | null {
    return this.#closings.dueUs(nowUs);
  }

  /** Does all that can be done now. */
  go(nowUs: Micros): void {
    this.#closings.closeExpired(nowUs);
    for (let isMoving = true; isMoving;) {
      const haveEnded = this.#closings.end(nowUs);
      isMoving = this.#openings.advance(nowUs) || haveEnded;
    }
  }

  /** What has come of the ask for an opening. */
  answered(opening: number, room: { isEnough: boolean; nowUs: Micros }): void {
    this.#openings.answered(opening, room);
  }

  #show({ replica, ask, account }: SliceAsker): void {
    const slice = viewAt(account, this.#host.books.accounts.slices);
    if (slice !== null) return this.#answers.answer({ replica, ask, slice });
    this.#host.tell(replica, { kind: "slice_told", ask, slice, error: unknown(account) });
  }
}
