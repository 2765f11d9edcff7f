import type { Charge } from "../../core/budget/charge.ts";
import { formatAmount } from "../../core/budget/limits.ts";
import type { AnswerSlice, SliceView } from "../../core/effects.ts";
import type { SliceAsked } from "../../core/events.ts";
import type { Violate } from "../checkers/checker.ts";
import type { SliceSpan } from "./journal-slices.ts";

/** What of the journal answers are held against. */
export interface SliceJournalView {
  spans: Iterable<SliceSpan>;
  /** Entries that survive whatever happens now. */
  durable: number;
  isKnown: (account: string) => boolean;
}

/** Whoever asks about a slice is answered once, unless his supervisor is gone; and what he is told would survive a loss of power. */
export class SlicesChecker {
  readonly #violate: Violate;
  readonly #journal: () => SliceJournalView;
  readonly #happened: (what: string) => void;
  /** Everything that was ever asked for: openings by account, and closings. */
  readonly asked = { opened: new Map<string, Charge[]>(), closed: new Set<string>() };
  /** Not answered yet, with who was asked. */
  readonly #waiting = new Map<string, { replica: string; asked: SliceAsked }>();

  constructor(violate: Violate, journal: () => SliceJournalView, happened: (what: string) => void) {
    this.#violate = violate;
    this.#journal = journal;
    this.#happened = happened;
  }

  event(replica: string, asked: SliceAsked): void {
    this.#waiting.set(asked.ask, { replica, asked });
    const { account } = asked;
    if (asked.action === "close") this.asked.closed.add(account);
    if (asked.action !== "open") return;
    this.asked.opened.set(account, [...(this.asked.opened.get(account) ?? []), asked.amounts]);
  }

  answer({ ask, slice, error }: AnswerSlice): void {
    const waiting = this.#waiting.get(ask);
    this.#waiting.delete(ask);
    if (waiting === undefined) return this.#violate(null, `${ask} is answered, and was not asked, or twice`);
    const { account, action } = waiting.asked;
    const { spans, durable, isKnown } = this.#journal();
    const named = [...spans].filter((span) => span.account === account);
    if (error?.code === "account_exists" && named.length === 0 && !isKnown(account)) {
      this.#violate(null, `${ask} is told that there was ${account}, and there was not`);
    }
    this.#happened(`slices: ${action} ${error === null ? slice!.status : `refused with ${error.code}`}`);
    if (slice === null) return;
    const isOpen = slice.status === "open";
    // What is shown as open may be closed by the time that it is.
    const isDurable = named.some(({ opened, closed }) => (isOpen ? opened : closed) <= durable);
    const isInside = [...spans].some(
      (span) => account.startsWith(`${span.account}/`) && span.closed <= durable,
    );
    if (!isDurable && (isOpen || !isInside)) {
      this.#violate(null, `${ask} is told that ${account} is ${slice.status}, before that is durable`);
    }
    const { released } = slice;
    if (released === undefined) return;
    if (!named.some((span) => isReleased(span, released)))
      this.#violate(null, `${ask} is told that ${JSON.stringify(released)} of ${account} came free`);
  }

  /** Whoever has asked it waits no more. */
  over(replica: string): void {
    for (const [ask, waiting] of this.#waiting) if (waiting.replica === replica) this.#waiting.delete(ask);
  }

  end(): void {
    for (const [ask, { asked }] of this.#waiting) {
      this.#violate(null, `${ask} is not answered: ${asked.action} ${asked.account}`);
    }
  }
}

/** In the units that the slice was of. */
function isReleased({ amounts, released }: SliceSpan, told: NonNullable<SliceView["released"]>): boolean {
  const usd = amounts.nanoUsd === 0 ? undefined : formatAmount("usd", BigInt(released.nanoUsd));
  const requests = amounts.requests === 0 ? undefined : String(released.requests);
  return told.usd === usd && told.requests === requests;
}
