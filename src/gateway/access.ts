import type { IncomingMessage } from "node:http";
import type { HeadgateError } from "../core/errors.ts";
import type { KeyBook } from "../keys/key-book.ts";
import { isForeignPage, isFromLoopback, isLoopbackHost } from "./loopback.ts";

/** Who calls. Tenant and key name the account that pays. */
export interface Caller {
  tenant: string;
  /** Null for a call that needs none. */
  key: string | null;
}

/** Who may call without a key: as long as only this machine can connect, whoever can; nobody; or whoever can connect. */
export type Keyless = "loopback" | "never" | "anywhere";

export interface AccessOptions {
  keys: Pick<KeyBook, "find" | "isEmpty">;
  keyless: Keyless;
  /** The address that the server listens on. */
  host: string;
}

/** Who pays for calls without a key. */
export const KEYLESS_CALLER: Caller = { tenant: "local", key: null };
/** As OpenAI's clients send it, and as those made for Anthropic's and Azure's APIs do. */
const BEARER = /^bearer +(\S+) *$/i;
const KEY_HEADERS = ["x-api-key", "api-key"] as const;

/**
 * Who may call, and on whose account.
 *
 * | the call has | and | then |
 * | --- | --- | --- |
 * | a secret | some key exists | it has to be that of an enabled key, which pays |
 * | a secret | no key exists yet | it counts as absent: OpenAI's clients always send one |
 * | none | `keyless` allows it | tenant `local` pays; a page in a browser has to come from this machine |
 * | none | it does not | refused |
 */
export class Access {
  readonly #keys: AccessOptions["keys"];
  readonly #keyless: Keyless;
  readonly #isLoopbackOnly: boolean;

  constructor({ keys, keyless, host }: AccessOptions) {
    this.#keys = keys;
    this.#keyless = keyless;
    this.#isLoopbackOnly = isLoopbackHost(host);
  }

  /** Who calls, for whatever costs something. */
  identify(request: IncomingMessage): Caller | HeadgateError {
    const secret = secretOf(request);
    if (secret !== null) {
      // Asked first: it is what finds a key that was created a moment ago.
      const owner = this.#keys.find(secret);
      if (owner !== null) return owner;
      if (!this.#keys.isEmpty) return refusal("The key is unknown or disabled.");
    }
    if (!this.#isKeylessAllowed(request)) return refusal("This call needs a key.");
    if (isForeignPage(request)) return { code: "origin_not_allowed", message: "This page may not call." };
    return KEYLESS_CALLER;
  }

  /** Why the caller may not look at what the supervisor is doing; null when it may. */
  mayLook(request: IncomingMessage): HeadgateError | null {
    if (this.#keyless !== "never" && isFromLoopback(request)) return null;
    const caller = this.identify(request);
    return "code" in caller ? caller : null;
  }

  /**
   * Why the caller may not change how the supervisor works; null when it may. Only this machine may, as keys are given
   * to those who call models, and with a key where nobody may do without.
   */
  mayChange(request: IncomingMessage): HeadgateError | null {
    if (isFromLoopback(request) && !isForeignPage(request)) return this.mayLook(request);
    return { code: "origin_not_allowed", message: "Policies are changed from this machine only." };
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
