import { noCapacity } from "../admission/admission.ts";
import { PathIndex } from "../budget/path-index.ts";
import { parentOf } from "../budget/paths.ts";
import { budgetError } from "../budget/refusal.ts";
import { closedShortage } from "../budget/slice-check.ts";
import { expiryOf, refusalOf, viewOf } from "../budget/slice-rules.ts";
import { SLICE_MODEL, sliceId, type SliceTerms } from "../budget/slice.ts";
import type { HeadgateError } from "../errors.ts";
import type { SliceAsked, SliceComing, SliceOpening } from "../events.ts";
import type { Micros } from "../units.ts";
import type { AskedPlace, SliceAsk } from "./lease.ts";
import type { SliceClosings } from "./slice-closings.ts";
import { type SliceHost, type SliceParts, tellAll } from "./slice-host.ts";
import { isSamePlaces, roomFor, type SliceNeed, shortageFor } from "./slice-room.ts";

/** Under way at the same time; beside these, none is opened. */
const OPENINGS_MAX = 1_000;

interface Opening extends SliceNeed {
  readonly number: number;
  /** Who has asked. */
  readonly replica: string;
  readonly asked: SliceAsked & SliceOpening;
  stage: "in line" | "announced" | "asking";
  /** Replicas that have not said yet that nothing there takes anything. */
  readonly unheard: Set<string>;
  /** What was asked for. */
  places: AskedPlace[];
}

/**
 * Opens slices that several supervisors draw on.
 *
 * ```
 *   asked ──▶ in line, behind what is opened around it
 *                 │ rules
 *                 ▼             all have said so,                      room
 *             announced ─────── or have left ──────▶ asking: as others do ──▶ held, told to all ──durable──▶ answered
 *                 ▲                                     │ the window is another one
 *                 └─────────────────────────────────────┘
 * ```
 */
export class SliceOpenings {
  readonly #host: SliceHost;
  readonly #parts: SliceParts;
  readonly #closings: SliceClosings;
  /** In the order of asking. */
  readonly #openings = new Map<number, Opening>();
  readonly #index = new PathIndex<Opening>();
  /** Those that may go on: something that they wait for has happened. */
  readonly #ready = new Set<Opening>();

  constructor(parts: SliceParts, closings: SliceClosings) {
    this.#host = parts.host;
    this.#parts = parts;
    this.#closings = closings;
  }

  /** Those that replicas were told of. */
  get coming(): Omit<SliceComing, "kind">[] {
    const told = [...this.#openings.values()].filter(({ stage }) => stage !== "in line");
    return told.map(({ number: opening, asked: { account } }) => ({ opening, account }));
  }

  add(
    replica: string,
    asked: Opening["asked"],
    { bands, usualBand }: Omit<SliceAsk, "kind" | "asked">,
  ): void {
    const number = this.#parts.nextNumber();
    const { account, amounts, priority, payer } = asked;
    const opening: Opening = {
      number,
      replica,
      asked,
      amounts,
      above: parentOf(account)!,
      priority,
      rankOf: (band) => (band === null ? usualBand : rankIn(bands, band)),
      stage: "in line",
      unheard: new Set(),
      places: [],
    };
    // All that are under way are ahead of it: so there is room for it later, too, as far as numbers go.
    const ahead = { all: this.#openings.size, ofPayer: this.#index.within(payer).size };
    const refusal = ahead.all >= OPENINGS_MAX ? noCapacity("slices_full") : this.#refusal(opening, ahead);
    if (refusal !== null) return this.#refuse(opening, refusal);
    this.#openings.set(number, opening);
    this.#index.add(account, opening);
    this.#ready.add(opening);
  }

  /** The replica has said in its line that it knows. */
  awaited(replica: string, opening: number): void {
    const awaited = this.#openings.get(opening);
    if (awaited !== undefined) this.#hear(awaited, replica);
  }

  /** Nobody waits for the word of a replica that is gone. */
  gone(replica: string): void {
    for (const opening of this.#openings.values()) this.#hear(opening, replica);
  }

  /** Takes each as far as it goes now. Returns whether anything has changed. */
  advance(nowUs: Micros): boolean {
    let hasMoved = false;
    for (const opening of this.#ready) {
      this.#ready.delete(opening);
      hasMoved = this.#advance(opening, nowUs) || hasMoved;
    }
    return hasMoved;
  }

  /** What has come of the ask for an opening; where there is enough, it is taken at once. */
  answered(number: number, { isEnough, nowUs }: { isEnough: boolean; nowUs: Micros }): void {
    const opening = this.#openings.get(number)!;
    const refusal = this.#refusal(opening);
    if (refusal !== null) return this.#refuse(opening, refusal);
    // A window may have begun since, or a limit be another one now: then it is asked for anew.
    opening.stage = "announced";
    if (!isSamePlaces(opening.places, roomFor(opening, this.#host.books, nowUs))) {
      this.#ready.add(opening);
      return;
    }
    if (isEnough) return this.#open(opening, nowUs);
    const shortage = shortageFor(opening, this.#host, nowUs);
    this.#refuse(opening, budgetError(shortage, nowUs));
  }

  #advance(opening: Opening, nowUs: Micros): boolean {
    const { stage, unheard } = opening;
    if (stage === "asking") return false;
    if (stage === "in line" ? this.#isBehind(opening) : unheard.size > 0) return false;
    const refusal = this.#refusal(opening);
    if (refusal !== null) this.#refuse(opening, refusal);
    else if (stage === "in line") this.#announce(opening);
    else {
      opening.stage = "asking";
      opening.places = roomFor(opening, this.#host.books, nowUs);
      this.#host.ask(opening.number, opening.places, nowUs);
    }
    return true;
  }

  /** Whether something is being opened before it that it would be inside of, or around. */
  #isBehind({ number, asked: { account } }: Opening): boolean {
    for (const other of this.#around(account)) if (other.number < number) return true;
    return false;
  }

  /** Those of the account, of those above and of those below. */
  *#around(account: string): Iterable<Opening> {
    yield* this.#index.above(account);
    yield* this.#index.within(account);
  }

  #hear(opening: Opening, replica: string): void {
    opening.unheard.delete(replica);
    if (opening.unheard.size === 0) this.#ready.add(opening);
  }

  /** It is not under way any more: those behind it may be first now. */
  #remove(opening: Opening): void {
    const { number, asked } = opening;
    this.#openings.delete(number);
    this.#ready.delete(opening);
    this.#index.delete(asked.account, opening);
    for (const other of this.#around(asked.account)) if (other.stage === "in line") this.#ready.add(other);
  }

  #announce(opening: Opening): void {
    const { number, asked, unheard } = opening;
    opening.stage = "announced";
    // Where there is nobody to be told, nobody has to say anything.
    this.#ready.add(opening);
    for (const replica of this.#host.replicas()) {
      unheard.add(replica);
      this.#host.tell(replica, { kind: "slice_coming", opening: number, account: asked.account });
    }
  }

  #refusal({ asked, above }: Opening, ahead = { all: 0, ofPayer: 0 }): HeadgateError | null {
    const { books, limits } = this.#host;
    const { slices } = books.accounts;
    const isUsed = (account: string): boolean => books.isUsed(account);
    const ground = { slices, limits, isUsed, ahead };
    const refusal = refusalOf(asked.account, asked, ground);
    if (refusal !== null) return refusal;
    const closed = this.#closings.isClosing(above) ? above : slices.closedAbove(above);
    return closed === null ? null : budgetError(closedShortage(closed, asked.amounts), 0);
  }

  #refuse(opening: Opening, error: HeadgateError): void {
    const { number, replica, asked, stage } = opening;
    const { ask } = asked;
    this.#remove(opening);
    if (stage !== "in line") tellAll(this.#host, { kind: "slice_settled", opening: number, slice: null });
    this.#host.tell(replica, { kind: "slice_told", ask, slice: null, error });
  }

  #open(opening: Opening, nowUs: Micros): void {
    const { number, replica, asked, above, amounts } = opening;
    const { books, limits, append, opened, replicas } = this.#host;
    const { slices } = books.accounts;
    const { ask, account } = asked;
    const atUs = books.clock(nowUs);
    const expiresUs = expiryOf(account, asked, { slices, limits, ledgerUs: atUs });
    const slice: SliceTerms = { id: sliceId({ account, expiresUs }), account, amounts, atUs, expiresUs };
    const hold = { hold: slice.id, account: above, model: SLICE_MODEL, charge: amounts };
    const entry = append({ operation: "reserve", ...hold, atUs, heldAtUs: atUs });
    this.#remove(opening);
    this.#closings.expire(slice);
    for (const name of replicas()) opened(name, slice);
    tellAll(this.#host, { kind: "slice_settled", opening: number, slice });
    this.#parts.answers.wrote(entry.sequence);
    this.#parts.answers.answer({ replica, ask, slice: viewOf(slices.find(account)!) });
  }
}

function rankIn(bands: readonly string[], band: string): number | null {
  const rank = bands.indexOf(band);
  return rank < 0 ? null : rank;
}
