import { pathOf } from "./paths.ts";

/** Things of accounts, to be found from above and from below without looking at all of them: in the order in which they were added. */
export class PathIndex<T> {
  readonly #at = new Map<string, Set<T>>();
  /** With those of accounts below. */
  readonly #within = new Map<string, Set<T>>();

  add(account: string, item: T): void {
    addTo(this.#at, account, item);
    for (const above of pathOf(account)) addTo(this.#within, above, item);
  }

  delete(account: string, item: T): void {
    deleteFrom(this.#at, account, item);
    for (const above of pathOf(account)) deleteFrom(this.#within, above, item);
  }

  /** Those of that account and of accounts below. */
  within(account: string): ReadonlySet<T> {
    return this.#within.get(account) ?? new Set();
  }

  /** Those of accounts from the root down to that one. */
  *above(account: string): Iterable<T> {
    if (this.#at.size === 0) return;
    for (const at of pathOf(account)) yield* this.#at.get(at) ?? [];
  }
}

function addTo<T>(sets: Map<string, Set<T>>, account: string, item: T): void {
  const set = sets.get(account) ?? new Set();
  sets.set(account, set.add(item));
}

function deleteFrom<T>(sets: Map<string, Set<T>>, account: string, item: T): void {
  const set = sets.get(account);
  set?.delete(item);
  if (set?.size === 0) sets.delete(account);
}
