/**
 * Accounts are paths: `global`, a tenant below it, any number of projects below that, a key, and what its holder tells
 * apart: agents and their tasks. A tenant and a project are there as soon as something below them is.
 *
 * ```
 *   global / acme / research / alice / agent-7 / task-3
 *   root     tenant project    key     agent     task
 * ```
 */
export const ROOT = "global";

/** Levels of one path, the root included. */
export const LEVELS_MAX = 16;
/** Levels that a request may name below its key's account. */
export const OWN_LEVELS_MAX = 4;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** What a name has to look like, for messages. */
export const NAME_RULE = "at most 64 letters, digits and . _ -, beginning with a letter or digit";

/** Whether it can be one level of a path. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

/** The path that was meant, with or without `global/` before it; null for what is none. */
export function readAccount(text: string): string | null {
  const path = text === ROOT || text.startsWith(`${ROOT}/`) ? text : `${ROOT}/${text}`;
  const names = path.split("/");
  return names.length <= LEVELS_MAX && names.every(isName) ? path : null;
}

/** As people write it: without the root. */
export function shortName(account: string): string {
  return account === ROOT ? ROOT : account.slice(ROOT.length + 1);
}

/** The account above; the root is above itself. */
export function parentOf(account: string): string {
  const end = account.lastIndexOf("/");
  return end === -1 ? ROOT : account.slice(0, end);
}

/**
 * A key's account in two words: its first level below the root, and the rest, which is unique within that. A key right
 * below the root has the root for a tenant.
 */
export function placeOf(account: string): { tenant: string; key: string } {
  const path = shortName(account);
  const end = path.indexOf("/");
  return end === -1 ? { tenant: ROOT, key: path } : { tenant: path.slice(0, end), key: path.slice(end + 1) };
}

/** Whether the account is `top`, or anywhere below it. */
export function isWithin(account: string, top: string): boolean {
  return account === top || account.startsWith(`${top}/`);
}

/** Whom an account's costs are told apart by; null where its path has no such level. */
export interface Levels {
  tenant: string | null;
  /** Levels between tenant and key, as a path. */
  project: string | null;
  key: string | null;
  agent: string | null;
  /** Whatever is below the agent, as a path. */
  task: string | null;
}

/** What each level of a path is, given which accounts are keys. Without a key, what is below the tenant is an agent's. */
export function levelsOf(account: string, isKey: (account: string) => boolean): Levels {
  const names = account.split("/");
  let keyAt = names.length - 1;
  while (keyAt > 0 && !isKey(names.slice(0, keyAt + 1).join("/"))) keyAt -= 1;
  const hasKey = keyAt > 0;
  // A key of the root itself stands where tenants do.
  const tenantAt = hasKey && keyAt === 1 ? null : 1;
  const below = hasKey ? keyAt + 1 : 2;
  const path = (from: number, to: number): string | null => names.slice(from, to).join("/") || null;
  return {
    tenant: tenantAt === null ? null : (names[1] ?? null),
    project: hasKey ? path(2, keyAt) : null,
    key: hasKey ? names[keyAt]! : null,
    agent: names[below] ?? null,
    task: path(below + 1, names.length),
  };
}
