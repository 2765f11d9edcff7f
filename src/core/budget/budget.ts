import { assert } from "../assert.ts";
import type { Charge } from "../vocabulary.ts";
import type { LedgerEntry } from "./ledger-entry.ts";

/**
 * A promise of capacity to one packet, from before it is dispatched until it is settled.
 *
 * ```
 *   reserve ──▶ open ──post──▶ closed (the use is charged, the rest is freed)
 *                 └────void──▶ closed (all of it is freed)
 * ```
 */
export interface Hold {
  readonly id: string;
  readonly account: string;
  readonly worstCase: Charge;
  /** Position of its `reserve` in the ledger: it may be dispatched once that is durable. */
  readonly sequence: number;
}

interface Account {
  held: Charge;
  posted: Charge;
}

const NOTHING: Charge = { inputTokens: 0, outputTokens: 0, requests: 0 };

/**
 * Holds and charges per account, from the root of the tree down. Each operation changes the
 * balances here and returns the ledger entry that makes it durable.
 *
 * Invariant: what an account holds is the sum of its open holds, and is never negative.
 */
export class Budget {
  readonly #accounts = new Map<string, Account>();
  readonly #open = new Map<string, Hold>();
  #sequence = 0;

  get openHolds(): number {
    return this.#open.size;
  }

  balance(account: string): Readonly<Account> {
    return this.#accounts.get(account) ?? { held: NOTHING, posted: NOTHING };
  }

  reserve(options: { id: string; account: string; worstCase: Charge }): { hold: Hold; entry: LedgerEntry } {
    const { id, account, worstCase } = options;
    assert(!this.#open.has(id), `${id} is reserved once`);
    const hold: Hold = { id, account, worstCase, sequence: this.#sequence + 1 };
    this.#open.set(id, hold);
    for (const node of this.#path(account)) node.held = sum(node.held, worstCase, 1);
    return { hold, entry: this.#entry("reserve", hold, worstCase) };
  }

  /** Charges all that was used and frees the rest; what goes beyond the hold is charged too, and recorded. */
  post(hold: Hold, used: Charge): LedgerEntry {
    this.#close(hold);
    for (const node of this.#path(hold.account)) node.posted = sum(node.posted, used, 1);
    const entry = this.#entry("post", hold, used);
    return covers(hold.worstCase, used) ? entry : { ...entry, overage: excess(used, hold.worstCase) };
  }

  void(hold: Hold): LedgerEntry {
    this.#close(hold);
    return this.#entry("void", hold, hold.worstCase);
  }

  #close(hold: Hold): void {
    assert(this.#open.delete(hold.id), `${hold.id} is closed once`);
    for (const node of this.#path(hold.account)) {
      node.held = sum(node.held, hold.worstCase, -1);
      assert(covers(node.held, NOTHING), `${hold.account} never holds less than nothing`);
    }
  }

  #entry(operation: LedgerEntry["operation"], hold: Hold, charge: Charge): LedgerEntry {
    return {
      sequence: ++this.#sequence,
      operation,
      hold: hold.id,
      account: hold.account,
      charge,
      overage: null,
    };
  }

  /** `a/b/c` names the accounts `a`, `a/b` and `a/b/c`. */
  #path(account: string): Account[] {
    const path: Account[] = [];
    for (let end = account.indexOf("/"); ; end = account.indexOf("/", end + 1)) {
      const name = end < 0 ? account : account.slice(0, end);
      let node = this.#accounts.get(name);
      if (node === undefined) this.#accounts.set(name, (node = { held: NOTHING, posted: NOTHING }));
      path.push(node);
      if (end < 0) return path;
    }
  }
}

function sum(a: Charge, b: Charge, sign: 1 | -1): Charge {
  return {
    inputTokens: a.inputTokens + sign * b.inputTokens,
    outputTokens: a.outputTokens + sign * b.outputTokens,
    requests: a.requests + sign * b.requests,
  };
}

function covers(limit: Charge, use: Charge): boolean {
  return (
    limit.inputTokens >= use.inputTokens &&
    limit.outputTokens >= use.outputTokens &&
    limit.requests >= use.requests
  );
}

function excess(use: Charge, limit: Charge): Charge {
  return {
    inputTokens: Math.max(0, use.inputTokens - limit.inputTokens),
    outputTokens: Math.max(0, use.outputTokens - limit.outputTokens),
    requests: Math.max(0, use.requests - limit.requests),
  };
}
