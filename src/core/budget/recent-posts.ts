import type { Micros } from "../units.ts";
import type { BalanceRow, TrackedWindow } from "./accounts.ts";
import { pathOf } from "./paths.ts";
import type { Charge } from "./charge.ts";
import { add, newBalance, rowOf } from "./sums.ts";

interface RecentPost {
  sequence: number;
  account: string;
  atUs: Micros;
  charge: Charge;
}

/**
 * What was posted and may not be durable yet. Whoever sums up the ledger's file knows it up to some entry; this is the
 * rest.
 */
export class RecentPosts {
  #posts: RecentPost[] = [];
  /** Those before it are known to be in the file. */
  #first = 0;

  add(post: RecentPost): void {
    this.#posts.push(post);
  }

  /** The file has everything through that entry. */
  forgetThrough(sequence: number): void {
    while (this.#first < this.#posts.length && this.#posts[this.#first]!.sequence <= sequence) this.#first++;
    if (this.#first * 2 < this.#posts.length) return;
    this.#posts = this.#posts.slice(this.#first);
    this.#first = 0;
  }

  /** What came after that entry, as rows of a window whose instances begin where `startOf` says. */
  rowsOf(
    { account, window }: TrackedWindow,
    { after, startOf }: { after: number; startOf: (atUs: Micros) => Micros },
  ): BalanceRow[] {
    const rows: BalanceRow[] = [];
    for (const post of this.#posts.slice(this.#first)) {
      if (post.sequence <= after || !pathOf(post.account).includes(account)) continue;
      const balance = newBalance();
      add(balance.posted, post.charge, 1);
      rows.push(rowOf({ account, window, startUs: startOf(post.atUs) }, balance));
    }
    return rows;
  }
}
