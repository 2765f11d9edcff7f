import type { IncomingHttpHeaders } from "node:http";
import type { HeadgateError } from "../core/errors.ts";
import { invalid } from "../exchange/client-request.ts";
import { isName, LEVELS_MAX, NAME_RULE, OWN_LEVELS_MAX } from "../keys/account-path.ts";

/** Names levels below the account that pays, such as `agent-7/task-3`. */
export const ACCOUNT_HEADER = "x-headgate-account";

/** Different accounts that one payer may name as long as the process lives, and all payers together. */
const EACH_MAX = 10_000;
const ALL_MAX = 100_000;

/**
 * Accounts that requests name below the one that pays: a balance is kept for each, for ever, so that nobody may name
 * as many as they like.
 */
export class SubAccounts {
  readonly #named = new Map<string, Set<string>>();
  #count = 0;

  /** The account that the headers name; null where they name none. */
  read(headers: IncomingHttpHeaders, payer: string): string | null | HeadgateError {
    const account = namedBy(headers, payer);
    if (typeof account !== "string") return account;
    return this.mayName(payer, account) ? account : tooMany(payer);
  }

  /** Whether the payer has named it before, or may name one more; it is counted then. */
  mayName(payer: string, account: string): boolean {
    let named = this.#named.get(payer);
    if (named === undefined) this.#named.set(payer, (named = new Set()));
    if (named.has(account)) return true;
    if (named.size >= EACH_MAX || this.#count >= ALL_MAX) return false;
    named.add(account);
    this.#count += 1;
    return true;
  }
}

/** As `SubAccounts.read`, without counting it. */
export function namedBy(headers: IncomingHttpHeaders, payer: string): string | null | HeadgateError {
  const given = headers[ACCOUNT_HEADER];
  return given === undefined ? null : accountBelow(payer, String(given), ACCOUNT_HEADER);
}

/** The account that a path such as `agent-7/task-3` names below the payer's; `param` is where the path stands. */
export function accountBelow(payer: string, path: string, param: string): string | HeadgateError {
  const names = path.split("/");
  if (names.length > OWN_LEVELS_MAX || !names.every(isName)) {
    const form = `at most ${OWN_LEVELS_MAX} names, such as agent-7/task-3; a name has ${NAME_RULE}`;
    return invalid(param, `\`${param}\` must be ${form}.`);
  }
  const account = `${payer}/${names.join("/")}`;
  if (account.split("/").length <= LEVELS_MAX) return account;
  return invalid(param, `${account} has more than ${LEVELS_MAX} levels: name fewer.`);
}

export function tooMany(payer: string): HeadgateError {
  return invalid(
    ACCOUNT_HEADER,
    `${payer} has named so many accounts below it that no further one is opened: use names that come again, such as an agent's and not a run's.`,
  );
}
