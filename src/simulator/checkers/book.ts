import { NOTHING, type Charge } from "../../core/budget/charge.ts";
import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import { dayStart, type LimitUnit, type LimitWindow } from "../../core/budget/limits.ts";
import type { Micros } from "../../core/units.ts";

/** A hold as the entries tell it. */
export interface BookedHold {
  readonly account: string;
  readonly parts: { atUs: Micros; charge: Charge }[];
}

/** What one account has used by itself, accounts below it left out. */
interface Page {
  posted: Charge;
  held: Charge;
}

/**
 * The ledger added up a second time, in another way than `core/budget/accounts.ts` does it: each
 * account's page has only what was booked on that very account, and what stands above it is added up
 * when somebody asks. So an account is the sum of those below it whatever the supervisor believes.
 */
export class Book {
  readonly open = new Map<string, BookedHold>();
  /** Posts in doubt that nobody has adjusted. */
  readonly inDoubt = new Map<string, BookedHold>();
  /** Output tokens posted for each hold that is closed. */
  readonly outputTokens = new Map<string, number>();
  /** By account, then by day, with 0 for all days together. */
  readonly #pages = new Map<string, Map<Micros, Page>>();
  readonly #below = new Map<string, string[]>();

  get accounts(): Iterable<string> {
    return this.#pages.keys();
  }

  get isHolding(): boolean {
    for (const days of this.#pages.values()) {
      for (const { held } of days.values()) if (KEYS.some((key) => held[key] !== 0)) return true;
    }
    return false;
  }

  /** Books the entry; the checker that calls this has seen that it makes sense. */
  apply(entry: LedgerEntry): void {
    const { operation, hold: id, account, charge, atUs } = entry;
    switch (operation) {
      case "reserve":
        this.open.set(id, { account, parts: [] });
        return this.#hold(id, { atUs, charge });
      case "extend":
        return this.#hold(id, { atUs, charge });
      case "void":
        this.#release(id);
        return;
      case "post": {
        const hold = this.#release(id);
        this.#post(hold, charge);
        this.outputTokens.set(id, charge.outputTokens);
        if (entry.inDoubt) this.inDoubt.set(id, hold);
        return;
      }
      case "adjust": {
        const hold = this.inDoubt.get(id)!;
        this.inDoubt.delete(id);
        for (const page of this.#pagesOf(account, hold.parts[0]!.atUs)) addTo(page.posted, charge, 1);
        this.outputTokens.set(id, heldBy(hold).outputTokens + charge.outputTokens);
      }
    }
  }

  /** What an account has used in the window that contains that instant, with all accounts below it. */
  used(account: string, window: LimitWindow, atUs: Micros): { posted: Charge; held: Charge } {
    const key = keyOf(window, atUs);
    const posted = { ...NOTHING };
    const held = { ...NOTHING };
    for (const name of this.#accountsBelow(account)) {
      const page = this.#pages.get(name)!.get(key);
      if (page === undefined) continue;
      addTo(posted, page.posted, 1);
      addTo(held, page.held, 1);
    }
    return { posted, held };
  }

  #hold(id: string, part: { atUs: Micros; charge: Charge }): void {
    const hold = this.open.get(id)!;
    hold.parts.push(part);
    for (const page of this.#pagesOf(hold.account, part.atUs)) addTo(page.held, part.charge, 1);
  }

  #release(id: string): BookedHold {
    const hold = this.open.get(id)!;
    this.open.delete(id);
    for (const { atUs, charge } of hold.parts) {
      for (const page of this.#pagesOf(hold.account, atUs)) addTo(page.held, charge, -1);
    }
    return hold;
  }

  /** Use counts where it was held: first part first, and what is beyond all of them with the last. */
  #post({ account, parts }: BookedHold, charge: Charge): void {
    const left = { ...charge };
    for (const [index, part] of parts.entries()) {
      const isLast = index === parts.length - 1;
      const share = each((key) => (isLast ? left[key] : Math.min(left[key], part.charge[key])));
      addTo(left, share, -1);
      for (const page of this.#pagesOf(account, part.atUs)) addTo(page.posted, share, 1);
    }
  }

  #pagesOf(account: string, atUs: Micros): Page[] {
    let days = this.#pages.get(account);
    if (days === undefined) {
      this.#pages.set(account, (days = new Map()));
      this.#below.clear();
    }
    return [0, keyOf("day", atUs)].map((key) => {
      let page = days.get(key);
      if (page === undefined) days.set(key, (page = { posted: { ...NOTHING }, held: { ...NOTHING } }));
      return page;
    });
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

const KEYS = ["nanoUsd", "inputTokens", "outputTokens", "requests"] as const satisfies (keyof Charge)[];

/** What a hold comes to. */
export function heldBy({ parts }: BookedHold): Charge {
  const sum = { ...NOTHING };
  for (const { charge } of parts) addTo(sum, charge, 1);
  return sum;
}

export function isAtOrBelow(account: string, above: string): boolean {
  return account === above || account.startsWith(`${above}/`);
}

/** What of a charge counts under a limit of that unit. */
export function amountOf(unit: LimitUnit, charge: Charge): number {
  const { nanoUsd, inputTokens, outputTokens, requests } = charge;
  const amounts = {
    usd: nanoUsd,
    tokens: inputTokens + outputTokens,
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    requests,
  };
  return amounts[unit];
}

export function isSame(a: Charge, b: Charge): boolean {
  return KEYS.every((key) => a[key] === b[key]);
}

/** By how much a charge goes beyond what was held, in each unit. */
export function beyond(charge: Charge, held: Charge): Charge {
  return each((key) => Math.max(0, charge[key] - held[key]));
}

function each(amount: (key: keyof Charge) => number): Charge {
  const [nanoUsd, inputTokens, outputTokens, requests] = KEYS.map(amount) as [number, number, number, number];
  return { nanoUsd, inputTokens, outputTokens, requests };
}

function addTo(sum: Charge, charge: Charge, sign: 1 | -1): void {
  for (const key of KEYS) sum[key] += sign * charge[key];
}

function keyOf(window: LimitWindow, atUs: Micros): Micros {
  return window === "total" ? 0 : dayStart(atUs);
}
