import type { Calendar } from "../../core/budget/calendar.ts";
import { NOTHING, type Charge } from "../../core/budget/charge.ts";
import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { LimitUnit } from "../../core/budget/limits.ts";
import type { LimitWindow } from "../../core/budget/windows.ts";
import { MICROS_PER_SECOND, type Micros } from "../../core/units.ts";
import { sliceOf } from "../ids.ts";
import { isAtOrBelow, parentOf } from "./paths.ts";
import { SlicesBook } from "./slices-book.ts";

export { isAtOrBelow };

/** A hold as the entries tell it. */
export interface BookedHold {
  readonly account: string;
  readonly parts: { atUs: Micros; charge: Charge }[];
}

/** What one account has used by itself, accounts below it left out, in some time. */
interface Page {
  posted: Charge;
  held: Charge;
}

/** By the second it was held in, and by the first instant of each instance of the windows that somebody has asked for. */
interface Pages {
  seconds: Map<number, Page>;
  windows: Map<LimitWindow, Map<Micros, Page>>;
}

/**
 * The ledger added up a second time, in another way than `core/budget/accounts.ts` does it: each
 * account's pages have only what was booked on that very account, second by second, and what stands above it, or in a
 * window, is added up when somebody asks. So an account is the sum of those below it whatever the supervisor believes.
 */
export class Book {
  readonly open = new Map<string, BookedHold>();
  readonly slices = new SlicesBook();
  /** Posts in doubt that nobody has adjusted. */
  readonly inDoubt = new Map<string, BookedHold & { posted: Charge }>();
  /** Output tokens posted for each hold that is closed. */
  readonly outputTokens = new Map<string, number>();
  readonly #calendar: Calendar;
  readonly #pages = new Map<string, Pages>();
  readonly #below = new Map<string, string[]>();

  constructor(calendar: Calendar) {
    this.#calendar = calendar;
  }

  get accounts(): Iterable<string> {
    return this.#pages.keys();
  }

  /** A hold or a slice that is open: whose it is, since when, and what it comes to now. */
  openOf(id: string): { account: string; heldAtUs: Micros; held: Charge } | undefined {
    const place = sliceOf(id);
    if (place !== null) {
      const slice = this.slices.open.get(place.account);
      if (slice?.id !== id) return undefined;
      return { account: parentOf(slice.account), heldAtUs: slice.atUs, held: this.slices.restOf(slice) };
    }
    const hold = this.open.get(id);
    return hold && toldOf(hold);
  }

  get isHolding(): boolean {
    for (const { seconds } of this.#pages.values()) {
      for (const { held } of seconds.values()) if (!isNone(held)) return true;
    }
    return false;
  }

  /** Books the entry; the checker that calls this has seen that it makes sense. */
  apply(entry: LedgerEntry): void {
    const { operation, hold: id, account, charge, atUs } = entry;
    const slice = sliceOf(id);
    if (slice !== null) {
      if (operation === "reserve") this.slices.opened({ id, ...slice, atUs, amounts: charge });
      else this.slices.closes(slice.account);
      return;
    }
    switch (operation) {
      case "reserve":
        this.open.set(id, { account, parts: [] });
        return this.#hold(id, { atUs, charge });
      case "extend":
        return this.#hold(id, { atUs, charge });
      case "void":
        this.#release(id);
        return this.slices.ended(id, NOTHING);
      case "post": {
        this.slices.ended(id, charge);
        const hold = this.#release(id);
        this.#post(hold, charge);
        this.outputTokens.set(id, charge.outputTokens);
        if (entry.inDoubt) this.inDoubt.set(id, { ...hold, posted: { ...charge } });
        return;
      }
      case "adjust": {
        const hold = this.inDoubt.get(id)!;
        this.inDoubt.delete(id);
        const { posted } = hold;
        // It is booked once more, the other way round, and then what is left of it.
        this.#post(hold, posted, -1);
        addTo(posted, charge, 1);
        this.#post(hold, posted);
        this.outputTokens.set(id, posted.outputTokens);
      }
    }
  }

  /** Whether what is held or posted at an instant counts in the window at a later one. */
  counts(window: LimitWindow, heldUs: Micros, atUs: Micros): boolean {
    const { startUs } = this.#calendar.span(window, heldUs);
    return (
      startUs >= this.#calendar.countsFrom(window, atUs) && startUs < this.#calendar.span(window, atUs).endUs
    );
  }

  /** What an account has used of what counts in the window at that instant, with all accounts below it, and slices there. */
  used(account: string, window: LimitWindow, atUs: Micros): { posted: Charge; held: Charge } {
    const fromUs = this.#calendar.countsFrom(window, atUs);
    const { endUs } = this.#calendar.span(window, atUs);
    const posted = { ...NOTHING };
    const held = { ...NOTHING };
    for (const name of this.#accountsBelow(account)) {
      for (const [startUs, page] of this.#instances(this.#pages.get(name)!, window)) {
        if (startUs < fromUs || startUs >= endUs) continue;
        addTo(posted, page.posted, 1);
        addTo(held, page.held, 1);
      }
    }
    for (const slice of this.slices.open.values()) {
      if (!isAtOrBelow(parentOf(slice.account), account)) continue;
      if (this.counts(window, slice.atUs, atUs)) addTo(held, this.slices.restOf(slice), 1);
    }
    return { posted, held };
  }

  /** What was posted in one instance of a window, or in one bucket of one that rolls. */
  postedIn(account: string, window: LimitWindow, startUs: Micros): Charge {
    const posted = { ...NOTHING };
    for (const name of this.#accountsBelow(account)) {
      const page = this.#instances(this.#pages.get(name)!, window).get(startUs);
      if (page !== undefined) addTo(posted, page.posted, 1);
    }
    return posted;
  }

  #instances(pages: Pages, window: LimitWindow): Map<Micros, Page> {
    let instances = pages.windows.get(window);
    if (instances !== undefined) return instances;
    pages.windows.set(window, (instances = new Map()));
    for (const [second, { posted, held }] of pages.seconds) {
      const { startUs } = this.#calendar.span(window, second * MICROS_PER_SECOND);
      const page = pageAt(instances, startUs);
      addTo(page.posted, posted, 1);
      addTo(page.held, held, 1);
    }
    return instances;
  }

  #hold(id: string, part: { atUs: Micros; charge: Charge }): void {
    const hold = this.open.get(id)!;
    hold.parts.push(part);
    this.slices.held(id, hold.account, part.charge);
    this.#add(hold.account, part.atUs, { field: "held", charge: part.charge, sign: 1 });
  }

  #release(id: string): BookedHold {
    const hold = this.open.get(id)!;
    this.open.delete(id);
    for (const { atUs, charge } of hold.parts) {
      this.#add(hold.account, atUs, { field: "held", charge, sign: -1 });
    }
    return hold;
  }

  /** Use counts where it was held: first part first, and what is beyond all of them with the last. */
  #post({ account, parts }: BookedHold, charge: Charge, sign: 1 | -1 = 1): void {
    const left = { ...charge };
    for (const [index, part] of parts.entries()) {
      const isLast = index === parts.length - 1;
      const share = each((key) => (isLast ? left[key] : Math.min(left[key], part.charge[key])));
      addTo(left, share, -1);
      this.#add(account, part.atUs, { field: "posted", charge: share, sign });
    }
  }

  #add(
    account: string,
    atUs: Micros,
    { field, charge, sign }: { field: keyof Page; charge: Charge; sign: 1 | -1 },
  ): void {
    let pages = this.#pages.get(account);
    if (pages === undefined) {
      this.#pages.set(account, (pages = { seconds: new Map(), windows: new Map() }));
      this.#below.clear();
    }
    addTo(pageAt(pages.seconds, Math.floor(atUs / MICROS_PER_SECOND))[field], charge, sign);
    for (const [window, instances] of pages.windows) {
      addTo(pageAt(instances, this.#calendar.span(window, atUs).startUs)[field], charge, sign);
    }
  }

  #accountsBelow(account: string): readonly string[] {
    let names = this.#below.get(account);
    if (names === undefined) {
      names = [...this.#pages.keys()].filter((name) => isAtOrBelow(name, account));
      this.#below.set(account, names);
    }
    return names;
  }
}

const KEYS = [
  "nanoUsd",
  "inputTokens",
  "cachedTokens",
  "outputTokens",
  "reasoningTokens",
  "requests",
  "gpuUs",
] as const satisfies (keyof Charge)[];

/** Of those, what holds take. */
const HELD_KEYS: ReadonlySet<keyof Charge> = new Set([
  "nanoUsd",
  "inputTokens",
  "outputTokens",
  "requests",
  "gpuUs",
]);

export function toldOf(hold: BookedHold): { account: string; heldAtUs: Micros; held: Charge } {
  return { account: hold.account, heldAtUs: hold.parts[0]!.atUs, held: heldBy(hold) };
}

/** What a hold comes to. */
export function heldBy({ parts }: BookedHold): Charge {
  const sum = { ...NOTHING };
  for (const { charge } of parts) addTo(sum, charge, 1);
  return sum;
}

/** What of a charge counts under a limit of that unit. */
export function amountOf(unit: LimitUnit, charge: Charge): number {
  const { nanoUsd, inputTokens, outputTokens, requests, gpuUs } = charge;
  const amounts = {
    usd: nanoUsd,
    tokens: inputTokens + outputTokens,
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    requests,
    gpu_seconds: gpuUs,
  };
  return amounts[unit];
}

/** Whether it is nothing at all. */
export function isNone(charge: Charge): boolean {
  return KEYS.every((key) => charge[key] === 0);
}

export function isSame(a: Charge, b: Charge): boolean {
  return KEYS.every((key) => a[key] === b[key]);
}

/** By how much a charge goes beyond what was held, in each unit. */
export function beyond(charge: Charge, held: Charge): Charge {
  return each((key) => (HELD_KEYS.has(key) ? Math.max(0, charge[key] - held[key]) : 0));
}

function each(amount: (key: keyof Charge) => number): Charge {
  const charge = { ...NOTHING };
  for (const key of KEYS) charge[key] = amount(key);
  return charge;
}

function pageAt(pages: Map<number, Page>, at: number): Page {
  let page = pages.get(at);
  if (page === undefined) pages.set(at, (page = { posted: { ...NOTHING }, held: { ...NOTHING } }));
  return page;
}

function addTo(sum: Charge, charge: Charge, sign: 1 | -1): void {
  for (const key of KEYS) sum[key] += sign * charge[key];
}
