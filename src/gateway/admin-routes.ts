import type { AdminAsk } from "../administration/ask.ts";
import type { AdminDesk } from "../administration/desk.ts";
import { readPath, TermError } from "../administration/terms.ts";
import type { HeadgateError } from "../core/errors.ts";
import { type Document, parseBody } from "../exchange/client-request.ts";
import { isWithin, parentOf, ROOT, shortName } from "../keys/account-path.ts";
import type { Log } from "../observability/log.ts";
import type { Access, Administrator } from "./access.ts";
import { readLimitBody, readNewKeyBody } from "./admin-body.ts";
import {
  accountOf,
  CHARGEBACK_PARAMETERS,
  chargebackOf,
  LIMIT_PARAMETERS,
  LIST_PARAMETERS,
  pageOf,
  type Query,
  readQuery,
  removalOf,
} from "./admin-query.ts";
import type { Call } from "./call.ts";
import { respond } from "./respond.ts";

/** A limit or a key is a few hundred bytes. */
export const ADMIN_BODY_BYTES_MAX = 64 * 1024;

const KEYS_PREFIX = "/admin/keys/";
const KEY_ACTIONS = { rotate: "rotate_key", disable: "disable_key", enable: "enable_key" } as const;

export interface AdminRoutesOptions {
  access: Pick<Access, "scopeOf" | "administrator">;
  desk: Pick<AdminDesk, "ask">;
  /** Names of the bands that requests wait in, now. */
  bands: () => readonly string[];
  log: Log;
  refuse: (call: Call, error: HeadgateError) => void;
  /** Reads a whole body of at most `ADMIN_BODY_BYTES_MAX`, or refuses the call. */
  readBody: (call: Call, onBody: (body: Buffer) => void) => void;
}

export interface AdminRoute {
  method: "GET" | "POST" | "PUT" | "DELETE";
  handle: (call: Call) => void;
}

/**
 * What is served below `/admin` of accounts, limits and keys. Whoever may look sees its part of the tree; changes take an
 * admin key. The limits of the account that such a key is for are set from above: nobody raises their own budget.
 */
export class AdminRoutes {
  readonly #options: AdminRoutesOptions;

  constructor(options: AdminRoutesOptions) {
    this.#options = options;
  }

  get routes(): [path: string, ...AdminRoute[]][] {
    const list = (what: "budgets" | "accounts" | "keys" | "alerts" | "history"): AdminRoute => {
      return this.#look(LIST_PARAMETERS, (query, account) => ({ what, account, page: pageOf(query) }));
    };
    return [
      ["/admin/budgets", list("budgets"), this.#setLimit(), this.#removeLimit()],
      ["/admin/history", list("history")],
      ["/admin/alerts", list("alerts")],
      ["/admin/accounts", list("accounts")],
      ["/admin/keys", list("keys"), this.#createKey()],
      ["/admin/chargeback", this.#look(CHARGEBACK_PARAMETERS, chargebackOf)],
    ];
  }

  /** Addresses of keys, which have their accounts in them. */
  keyRoutes(path: string): AdminRoute[] {
    if (!path.startsWith(KEYS_PREFIX)) return [];
    const end = path.lastIndexOf("/");
    const action = path.slice(end + 1);
    if (!Object.hasOwn(KEY_ACTIONS, action)) return [];
    const what = KEY_ACTIONS[action as keyof typeof KEY_ACTIONS];
    const name = path.slice(KEYS_PREFIX.length, end);
    const handle = (call: Call): void => {
      this.#change(call, (administrator) => {
        readQuery(call.request.url!, []);
        const account = readPath(decodeURIComponent(name));
        assertMayManage(administrator, account);
        return { what, account };
      });
    };
    return [{ method: "POST", handle }];
  }

  /** As they stand in the description of the interface. */
  static get keyPaths(): string[] {
    return Object.keys(KEY_ACTIONS).map((action) => `${KEYS_PREFIX}{account}/${action}`);
  }

  #look(parameters: readonly string[], askOf: (query: Query, account: string) => AdminAsk): AdminRoute {
    const { access, refuse } = this.#options;
    return {
      method: "GET",
      handle: (call) => {
        const scope = access.scopeOf(call.request);
        if (typeof scope !== "string") return refuse(call, scope);
        this.#answer(call, () => {
          const query = readQuery(call.request.url!, parameters);
          const account = accountOf(query, scope);
          if (!isWithin(account, scope)) throw new OutsideError(account, scope);
          return askOf(query, account);
        });
      },
    };
  }

  #setLimit(): AdminRoute {
    return this.#changeByBody("PUT", (administrator, document) => {
      const limit = readLimitBody(document, this.#options.bands());
      assertMayLimit(administrator, limit.account);
      return { what: "set_limit", limit, by: authorOf(administrator) };
    });
  }

  #removeLimit(): AdminRoute {
    const handle = (call: Call): void => {
      this.#change(call, (administrator) => {
        const limit = removalOf(readQuery(call.request.url!, LIMIT_PARAMETERS));
        assertMayLimit(administrator, limit.account);
        return { what: "set_limit", limit, by: authorOf(administrator) };
      });
    };
    return { method: "DELETE", handle };
  }

  #createKey(): AdminRoute {
    return this.#changeByBody("POST", (administrator, document) => {
      const key = readNewKeyBody(document, this.#options.bands());
      assertMayManage(administrator, key.account);
      return { what: "create_key", ...key, by: authorOf(administrator) };
    });
  }

  #changeByBody(
    method: "PUT" | "POST",
    askOf: (administrator: Administrator, document: Document) => AdminAsk,
  ): AdminRoute {
    const { access, refuse, readBody } = this.#options;
    const handle = (call: Call): void => {
      const administrator = access.administrator(call.request);
      if ("code" in administrator) return refuse(call, administrator);
      readBody(call, (body) => {
        const parsed = parseBody(body);
        if ("code" in parsed) return refuse(call, parsed);
        this.#answer(call, () => {
          readQuery(call.request.url!, []);
          return this.#logged(administrator, askOf(administrator, parsed.document));
        });
      });
    };
    return { method, handle };
  }

  #change(call: Call, askOf: (administrator: Administrator) => AdminAsk): void {
    const administrator = this.#options.access.administrator(call.request);
    if ("code" in administrator) return this.#options.refuse(call, administrator);
    this.#answer(call, () => this.#logged(administrator, askOf(administrator)));
  }

  #logged(administrator: Administrator, ask: AdminAsk): AdminAsk {
    const account = ask.what === "set_limit" ? ask.limit.account : ask.account;
    this.#options.log.info({ by: administrator.key, what: ask.what, account }, "administrator asked");
    return ask;
  }

  #answer(call: Call, askOf: () => AdminAsk): void {
    let ask: AdminAsk;
    try {
      ask = askOf();
    } catch (error) {
      return this.#options.refuse(call, refusalOf(error));
    }
    void this.#forward(call, ask);
  }

  async #forward(call: Call, ask: AdminAsk): Promise<void> {
    const answer = await this.#options.desk.ask(ask);
    if ("error" in answer) return this.#options.refuse(call, answer.error);
    const headers = { "content-type": answer.type, "cache-control": "no-store" };
    respond(call.response, { status: 200, request: call.id, body: answer.body, headers });
  }
}

/** What is asked about is not what the key is for. */
class OutsideError extends Error {
  override name = "OutsideError";

  constructor(account: string, scope: string) {
    super(`${shortName(account)} is not among what this key is for: ${shortName(scope)} and all below it.`);
  }
}

class OwnLimitError extends OutsideError {
  constructor(scope: string) {
    super(scope, scope);
    this.message = `The limits of ${shortName(scope)} itself are set by a key of an account above it.`;
  }
}

/** Keys are made, and managed, in the account that the administrator's key is for and in all below it. */
function assertMayManage({ scope }: Administrator, account: string): void {
  if (account === ROOT) throw new TermError("account", "the root is no key: name one, such as acme/alice");
  if (!isWithin(parentOf(account), scope)) throw new OutsideError(account, scope);
}

/** Of accounts below that one; who is asked for more has to ask somebody above. */
function assertMayLimit({ scope }: Administrator, account: string): void {
  if (!isWithin(account, scope)) throw new OutsideError(account, scope);
  if (account === scope && scope !== ROOT) throw new OwnLimitError(scope);
}

/** Who is said to have made a change. */
function authorOf({ key }: Administrator): string {
  return `key ${shortName(key)}`;
}

function refusalOf(error: unknown): HeadgateError {
  if (error instanceof TermError)
    return { code: "invalid_request", message: error.message, param: error.param };
  if (error instanceof OutsideError)
    return { code: "key_not_allowed", message: error.message, param: "account" };
  if (error instanceof URIError)
    return { code: "invalid_request", message: "The address is not well encoded." };
  throw error;
}
