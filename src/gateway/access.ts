import type { IncomingMessage } from "node:http";
import type { HeadgateError } from "../core/errors.ts";
import { parentOf, ROOT, shortName } from "../keys/account-path.ts";
import type { KeyBook, KeyOwner } from "../keys/key-book.ts";
import { isForeignPage, isFromLoopback, isLoopbackHost } from "./loopback.ts";
import { namedBy, SubAccounts, tooMany } from "./sub-accounts.ts";

/** Who calls. Tenant and key name the account that pays. */
export interface Caller {
  tenant: string;
  /** Null for a call that needs none. */
  key: string | null;
  /** The account that pays, where the request names levels below that of tenant and key. */
  account?: string;
}

/** Who opens and closes slices. */
export interface Payer {
  /** Account of its key. */
  payer: string;
  /** The one that the header names at or below it. */
  account: string;
}

/** Who may call without a key: as long as only this machine can connect, whoever can; nobody; or whoever can connect. */
export type Keyless = "loopback" | "never" | "anywhere";

export interface AccessOptions {
  keys: Pick<KeyBook, "find" | "isEmpty"> & Partial<Pick<KeyBook, "coming">>;
  keyless: Keyless;
  /** The address that the server listens on. */
  host: string;
}

type Owner = Omit<KeyOwner, "key"> & Pick<Caller, "key">;

/** Who manages keys and limits, and below which account. */
export interface Administrator {
  /** Account of its key. */
  key: string;
  scope: string;
}

const KEYLESS_TENANT = "local";
/** Account of calls without a key. */
export const KEYLESS_ACCOUNT = `${ROOT}/${KEYLESS_TENANT}`;
const KEYLESS_OWNER: Owner = { account: KEYLESS_ACCOUNT, tenant: KEYLESS_TENANT, key: null, role: "spend" };
/** As OpenAI's clients send it, and as those made for Anthropic's and Azure's APIs do. */
const BEARER = /^bearer +(\S+) *$/i;
const KEY_HEADERS = ["x-api-key", "api-key"] as const;

/**
 * Who may call, and on whose account.
 *
 * | the call has | and | then |
 * | --- | --- | --- |
 * | a secret | some key exists | it has to be that of an enabled key, which pays if its role is to spend |
 * | a secret | no key exists yet | it counts as absent: OpenAI's clients always send one |
 * | none | `keyless` allows it | tenant `local` pays; a page in a browser has to come from this machine |
 * | none | it does not | refused |
 *
 * Who only looks needs no secret on this machine, unless `keyless` is `never`. One that is sent counts all the same: it
 * shows what its key may see, and a wrong one shows nothing.
 */
export class Access {
  readonly #keys: AccessOptions["keys"];
  readonly #keyless: Keyless;
  readonly #isLoopbackOnly: boolean;
  readonly #subAccounts = new SubAccounts();

  constructor({ keys, keyless, host }: AccessOptions) {
    this.#keys = keys;
    this.#keyless = keyless;
    this.#isLoopbackOnly = isLoopbackHost(host);
  }

  /** Who calls, for whatever costs something. */
  identify(request: IncomingMessage): Caller | HeadgateError {
    const owner = this.#spender(request);
    if ("code" in owner) return owner;
    const { account: payer, tenant, key } = owner;
    const account = this.#subAccounts.read(request.headers, payer);
    if (account === null) return { tenant, key };
    return typeof account === "string" ? { tenant, key, account } : account;
  }

  /** Whose money a call about slices is about. */
  payer(request: IncomingMessage): Payer | HeadgateError {
    const owner = this.#spender(request);
    if ("code" in owner) return owner;
    const { account: payer } = owner;
    const account = namedBy(request.headers, payer) ?? payer;
    return typeof account === "string" ? { payer, account } : account;
  }

  /** Why the payer can't have a further account below its own; null when it can. */
  nameBelow(payer: string, account: string): HeadgateError | null {
    return this.#subAccounts.mayName(payer, account) ? null : tooMany(payer);
  }

  #spender(request: IncomingMessage): Owner | HeadgateError {
    const owner = this.#holderOf(request) ?? this.#keylessOwner(request);
    if ("code" in owner || owner.role === "spend") return owner;
    const message = `The key ${shortName(owner.account)} has the role ${owner.role}.`;
    return { code: "key_not_allowed", message };
  }

  /** Resolves when somebody who was refused may be let in after all, for keys are on their way; null where none are. */
  get keysComing(): Promise<void> | null {
    return this.#keys.coming ?? null;
  }

  /** Why the caller may not look at what the supervisor is doing; null when it may. */
  mayLook(request: IncomingMessage): HeadgateError | null {
    const scope = this.scopeOf(request);
    return typeof scope === "string" ? null : scope;
  }

  /**
   * The account that the caller may see the money of, with all below it: what its key is for, and everything for a
   * call from this machine without any.
   */
  scopeOf(request: IncomingMessage): string | HeadgateError {
    const holder = this.#holderOf(request);
    if (holder === null && this.#keyless !== "never" && isFromLoopback(request)) return ROOT;
    const owner = holder ?? this.#keylessOwner(request);
    if ("code" in owner) return owner;
    return owner.role === "spend" ? owner.account : parentOf(owner.account);
  }

  /** Who manages keys and limits, and below which account: this takes an admin key, wherever the call comes from. */
  administrator(request: IncomingMessage): Administrator | HeadgateError {
    const secret = secretOf(request);
    if (secret === null) return refusal("This call needs an admin key.");
    const owner = this.#keys.find(secret);
    if (owner === null) return refusal("The key is unknown or disabled.");
    const { account, role } = owner;
    if (role === "admin") return { key: account, scope: parentOf(account) };
    return { code: "key_not_allowed", message: `The key ${shortName(account)} has the role ${role}.` };
  }

  /**
   * Why the caller may not change how the supervisor works; null when it may. Only this machine may, as keys are given
   * to those who call models, and with an admin key of the root where nobody may do without a key. Whatever key is sent
   * has to be one, too.
   */
  mayChange(request: IncomingMessage): HeadgateError | null {
    if (!isFromLoopback(request) || isForeignPage(request)) {
      return { code: "origin_not_allowed", message: "Policies are changed from this machine only." };
    }
    if (this.#keyless !== "never" && this.#holderOf(request) === null) return null;
    const administrator = this.administrator(request);
    if ("code" in administrator) return administrator;
    if (administrator.scope === ROOT) return null;
    const message = `The key ${shortName(administrator.key)} administers ${shortName(administrator.scope)} only.`;
    return { code: "key_not_allowed", message };
  }

  /** Of the key that the call came with; null for a call that counts as one without any. */
  #holderOf(request: IncomingMessage): Owner | HeadgateError | null {
    const secret = secretOf(request);
    if (secret === null) return null;
    // Asked first: it is what finds a key that was created a moment ago.
    const owner = this.#keys.find(secret);
    if (owner !== null) return owner;
    return this.#keys.isEmpty ? null : refusal("The key is unknown or disabled.");
  }

  /** Of a call without a key. */
  #keylessOwner(request: IncomingMessage): Owner | HeadgateError {
    if (!this.#isKeylessAllowed(request)) return refusal("This call needs a key.");
    if (isForeignPage(request)) return { code: "origin_not_allowed", message: "This page may not call." };
    return KEYLESS_OWNER;
  }

  #isKeylessAllowed(request: IncomingMessage): boolean {
    switch (this.#keyless) {
      case "anywhere":
        return true;
      case "loopback":
        return this.#isLoopbackOnly && isFromLoopback(request);
      case "never":
        return false;
    }
  }
}

/** Whoever can connect can spend: without keys, that has to be this machine only. */
export function assertGuarded({ keys, keyless, host }: AccessOptions): void {
  if (isLoopbackHost(host) || keyless === "anywhere" || !keys.isEmpty) return;
  throw new Error(
    `Headgate can't listen on ${host} without a key: other machines could spend. Create one with ` +
      "`headgate keys create <name>`, set server.host to 127.0.0.1, or let anyone in with `server.keyless: anywhere`.",
  );
}

function secretOf({ headers }: IncomingMessage): string | null {
  // One that can't be read is a wrong one, and not none: it was meant to name who pays.
  if (headers.authorization !== undefined) return BEARER.exec(headers.authorization)?.[1] ?? "";
  for (const name of KEY_HEADERS) {
    const secret = headers[name];
    if (typeof secret === "string" && secret !== "") return secret;
  }
  return null;
}

function refusal(message: string): HeadgateError {
  return { code: "invalid_api_key", message };
}
