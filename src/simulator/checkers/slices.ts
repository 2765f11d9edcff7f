import { isDeepStrictEqual } from "node:util";
import type { Charge } from "../../core/budget/charge.ts";
import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { CoreConfig } from "../../core/config.ts";
import type { AnswerSlice, Effect, SliceView } from "../../core/effects.ts";
import type { HeadgateError } from "../../core/errors.ts";
import type { LedgerRestored, SliceAsked, SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import { sliceOf } from "../ids.ts";
import type { Sighting } from "../sightings.ts";
import { isNone } from "./book.ts";
import type { Checker, Violate } from "./checker.ts";
import { isAtOrBelow, parentOf } from "./paths.ts";
import { type Room, shown, UNITS, type Wanted } from "./room.ts";
import { type BookedSlice, PARTS } from "./slices-book.ts";

/** How long a slice is open if nobody says so. */
const USUAL_TTL_US: Micros = 3_600_000_000;

type Opening = Extract<SliceAsked, { action: "open" }>;

/** What has to come of a question. */
interface Asked {
  account: string;
  /** What is shown if it is not refused; null where it has to be refused. */
  view: SliceView | null;
  /** Errors, any of which it may be refused with. */
  codes: ReadonlySet<string>;
  /** What it is refused for want of, if that is why. */
  wanted: Wanted | null;
}

/**
 * What agents are told of their slices, and when, over all lives of the supervisor. Each question is answered once, unless
 * its supervisor dies; what is answered is durable, and true; nothing is refused without a reason, or opened in spite of one.
 * A slice is closed when somebody asks, or when its time is over, and not before; what was said to be open or closed is so
 * for the next supervisor, too.
 */
export class SlicesChecker implements Pick<Checker, "event" | "sighting"> {
  readonly #limits: CoreConfig["slices"];
  readonly #violate: Violate;
  readonly #asked = new Map<string, Asked>();
  /** By the account that it is for: slices of which the disk has the beginning, and those of which it has the end. */
  readonly #durable = new Set<string>();
  readonly #durablyClosed = new Set<string>();
  /** What was said of slices last. */
  readonly #told = new Map<string, SliceView["status"]>();
  #room: Room | null = null;
  #isDraining = false;
  #event: SupervisorEvent | null = null;
  /** The slice that this event is to close. */
  #closing: string | null = null;
  #nowUs: Micros = 0;

  constructor(limits: CoreConfig["slices"], violate: Violate) {
    this.#limits = limits;
    this.#violate = violate;
  }

  /** Another life, in which there is as much room as that. */
  begin(room: Room): void {
    this.#room = room;
    this.#isDraining = false;
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    this.#nowUs = nowUs;
    this.#event = event;
    this.#closing = null;
    if (event.kind === "ledger_restored") this.#checkRestored(event);
    if (event.kind === "slice_asked") {
      if (this.#asked.has(event.ask)) this.#violate(null, `${event.ask} is asked twice`);
      this.#asked.set(event.ask, this.#expected(event));
      if (event.action === "close" && this.#slices.open.has(event.account)) this.#closing = event.account;
    }
    if (event.kind === "drain_asked") this.#isDraining = true;
  }

  /** One at a time, after the ledger has it. */
  effect(effect: Effect): void {
    if (effect.kind === "answer_slice") this.#answered(effect);
    if (effect.kind === "append_ledger" && effect.entry.operation === "void") this.#closed(effect.entry);
  }

  /** After the effects of an event. */
  stepped(): void {
    const isTimer = this.#event?.kind === "timer_fired";
    if (this.#closing === null && !isTimer) return;
    for (const { account, expiresUs } of this.#slices.open.values()) {
      if (this.#closing !== null && isAtOrBelow(account, this.#closing)) {
        this.#violate(null, `${account} is to be closed, and is not`);
      }
      if (!isTimer || expiresUs > this.#nowUs) continue;
      this.#violate(null, `${account} is open ${(this.#nowUs - expiresUs) / 1e6} s after its time is over`);
    }
  }

  sighting(sighting: Sighting): void {
    if (sighting.kind === "supervisor_killed") this.#asked.clear();
    if (sighting.kind !== "entries_durable") return;
    for (const { hold, operation } of sighting.entries) {
      const slice = sliceOf(hold);
      if (slice !== null) (operation === "reserve" ? this.#durable : this.#durablyClosed).add(slice.account);
    }
  }

  end(): void {
    for (const [ask, { account }] of this.#asked) {
      this.#violate(null, `${ask} about ${account} is never answered`);
    }
  }

  get #slices() {
    return this.#room!.ledger.book.slices;
  }

  /** What somebody was told is as it was told, but for what has been written since. */
  #checkRestored({ state }: LedgerRestored): void {
    const open = new Set(state.holds.flatMap(({ id }) => sliceOf(id)?.account ?? []));
    for (const [account, status] of this.#told) {
      const isOpen = status === "open" && !this.#durablyClosed.has(account);
      if (isOpen === open.has(account)) continue;
      this.#violate(null, `${account} was said to be ${status}, and is not so any more`);
    }
  }

  #closed({ hold }: LedgerEntry): void {
    const slice = sliceOf(hold);
    if (slice === null) return;
    if (this.#closing !== null && isAtOrBelow(slice.account, this.#closing)) return;
    // Nothing inside a slice is open for longer than it is itself.
    if (slice.expiresUs <= this.#nowUs) return;
    const early = (slice.expiresUs - this.#nowUs) / 1e6;
    this.#violate(null, `${slice.account} is closed ${early} s early, and nobody has asked for it`);
  }

  // ── answers ────────────────────────────────────────────────────────────────────────────

  #answered({ ask, slice, error }: AnswerSlice): void {
    const asked = this.#asked.get(ask);
    if (asked === undefined) return this.#violate(null, `${ask} is answered, and nobody waits for it`);
    this.#asked.delete(ask);
    if (slice === null) return this.#refused(ask, asked, error!);
    const { account, view } = asked;
    if (view === null) {
      const codes = [...asked.codes].join(", ");
      return this.#violate(null, `${ask} about ${account} is not refused (${codes})`);
    }
    if (!isDeepStrictEqual(slice, view)) {
      const [told, expected] = [slice, view].map((each) => JSON.stringify(each));
      return this.#violate(null, `${ask} is answered ${told}, not ${expected}`);
    }
    if (!this.#isDurable(slice)) {
      this.#violate(null, `${ask} is told that ${account} is ${slice.status} before that is durable`);
    }
    if (this.#durable.has(account)) this.#told.set(account, slice.status);
  }

  /** With a slice, whatever is below it is closed. */
  #isDurable({ account, status }: SliceView): boolean {
    if (status === "open") return this.#durable.has(account);
    return [...this.#durablyClosed].some((closed) => isAtOrBelow(account, closed));
  }

  #refused(ask: string, { account, codes, wanted }: Asked, error: HeadgateError): void {
    const { code } = error;
    if (!codes.has(code)) {
      return this.#violate(null, `${ask} about ${account} is refused with ${JSON.stringify(error)}`);
    }
    if (!code.startsWith("budget_")) return;
    const problem = this.#room!.problemOf(error, wanted!, this.#nowUs);
    if (problem !== null) this.#violate(null, `${ask} ${problem}`);
  }

  // ── what is to be expected ─────────────────────────────────────────────────────────────

  #expected(asked: SliceAsked): Asked {
    const { account, action } = asked;
    if (action === "open") return this.#opening(asked);
    const answer = { account, codes: new Set<string>(), wanted: null };
    const slice = this.#slices.open.get(account);
    if (slice === undefined) {
      if (this.#slices.closedAbove(account) !== null) return { ...answer, view: closedView(account) };
      return { ...answer, view: null, codes: new Set(["not_found"]) };
    }
    if (action === "show") return { ...answer, view: viewOf(slice, this.#slices.restOf(slice)) };
    const { amounts } = slice;
    const released = shownIn(slice, this.#slices.restAlone(slice));
    return { ...answer, view: { ...closedView(account), amounts: shownIn(slice, amounts), released } };
  }

  #opening(asked: Opening): Asked {
    const { account, amounts, priority } = asked;
    const wanted = { account: parentOf(account), priority, charge: amounts };
    const codes = this.#problemsOf(asked, wanted);
    if (codes.size > 0) return { account, view: null, codes, wanted };
    const ttlUs = asked.ttlUs ?? Math.min(USUAL_TTL_US, this.#limits.ttlMaxUs);
    const openedUs = Math.max(this.#nowUs, this.#room!.ledger.clockUs);
    const around = this.#slices.around(account).map(({ expiresUs }) => expiresUs);
    const expiresUs = Math.min(openedUs + ttlUs, ...around);
    const slice = { id: "", account, atUs: openedUs, expiresUs, amounts };
    return { account, view: viewOf(slice, amounts), codes, wanted };
  }

  /** Errors with which it has to be refused, or with one of them if there are several. */
  #problemsOf({ account, payer, ttlUs }: Opening, wanted: Wanted): Set<string> {
    const { open, closed } = this.#slices;
    const { openMax, perPayerMax, depthMax, ttlMaxUs } = this.#limits;
    const room = this.#room!;
    const { posted, held } = room.ledger.book.used(account, "total", this.#nowUs);
    const isUsed = open.has(account) || closed.has(account) || !isNone(posted) || !isNone(held);
    const ofPayer = [...open.keys()].filter((name) => isAtOrBelow(name, payer)).length;
    const codes = new Set<string>();
    if (this.#isDraining || open.size >= openMax || ofPayer >= perPayerMax) codes.add("capacity");
    if (isUsed) codes.add("account_exists");
    if (this.#slices.around(account).length >= depthMax) codes.add("invalid_request");
    if (ttlUs !== null && ttlUs > ttlMaxUs) codes.add("invalid_request");
    if (this.#slices.closedAbove(wanted.account) !== null) codes.add("account_closed");
    if (room.fits(wanted, this.#nowUs)) return codes;
    return codes.add("budget_exhausted").add("budget_insufficient");
  }
}

function viewOf(slice: BookedSlice, rest: Charge): SliceView {
  const { account, amounts, expiresUs } = slice;
  return {
    account,
    status: "open",
    amounts: shownIn(slice, amounts),
    remaining: shownIn(slice, rest),
    expiresUs,
  };
}

function closedView(account: string): SliceView {
  return { account, status: "closed", amounts: {}, remaining: {}, expiresUs: null };
}

/** A charge as it is told: in the parts that the slice is of. */
function shownIn({ amounts }: BookedSlice, charge: Charge): SliceView["amounts"] {
  const parts = PARTS.filter((part) => amounts[part] > 0);
  return Object.fromEntries(parts.map((part) => [UNITS[part], shown(UNITS[part], charge[part])]));
}
