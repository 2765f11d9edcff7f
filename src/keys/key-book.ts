import { placeOf } from "./account-path.ts";
import type { KeyRole, KeyRow } from "./key-table.ts";
import { hashSecret, SECRET_PREFIX } from "./secret.ts";

/** Whom a secret belongs to, and what it may be used for. */
export interface KeyOwner {
  account: string;
  /** The account's first level below the root; the root itself for a key that is right below it. */
  tenant: string;
  /** The rest of its path: unique within the tenant. */
  key: string;
  role: KeyRole;
}

/** Secrets nobody knows that are remembered, so that whoever sends one again costs no look into the file. */
const UNKNOWN_MAX = 1_000;
/** Looks into the file: a flood of wrong secrets costs no more than these. */
const LOOK_UPS_PER_SECOND_MAX = 50;
const SECOND_MS = 1_000;
/** How long whoever has come with a new key may wait for it to be usable. */
const COMING_MS_MAX = 500;

/**
 * All keys in memory, by the hash of their secret. Told when the file has changed; at a secret it
 * does not know yet it asks for that, so that a key works from the moment it was created.
 */
export class KeyBook {
  readonly #refresh: () => boolean;
  readonly #byHash = new Map<string, KeyRow>();
  readonly #byAccount = new Map<string, KeyRow>();
  readonly #unknown = new Set<string>();
  /** Of keys that were found and may not be used yet. */
  #coming: PromiseWithResolvers<void> | null = null;
  #hasOthers = false;
  #lookUps = 0;
  #lookUpsSinceMs = 0;

  /** `refresh` calls `update` with what is new in the file; it returns false when it can't say. */
  constructor(keys: readonly KeyRow[], refresh: () => boolean) {
    this.#refresh = refresh;
    this.update(keys);
  }

  /** Whether no key has ever been created. Keys are disabled, never deleted. */
  get isEmpty(): boolean {
    return this.#byHash.size === 0 && !this.#hasOthers;
  }

  /** Resolves when keys that were found may be used, or have not come for too long; null where nobody waits for any. */
  get coming(): Promise<void> | null {
    return this.#coming?.promise ?? null;
  }

  /** There are keys that may not be used yet: they will be taken in with a later update. */
  expect(): void {
    this.#hasOthers = true;
    if (this.#coming !== null) return;
    const coming = (this.#coming = Promise.withResolvers<void>());
    setTimeout(() => this.#arrived(coming), COMING_MS_MAX).unref();
  }

  /** Null when no enabled key has that secret. */
  find(secret: string): KeyOwner | null {
    const hash = hashSecret(secret);
    const key = this.#byHash.get(hash) ?? (secret.startsWith(SECRET_PREFIX) ? this.#find(hash) : null);
    return key === null || key.disabledUs !== null
      ? null
      : { account: key.account, ...placeOf(key.account), role: key.role };
  }

  /** Takes in keys that were created or changed. */
  update(keys: readonly KeyRow[]): void {
    for (const key of keys) this.#take(key);
    this.#unknown.clear();
    if (keys.length > 0 && this.#coming !== null) this.#arrived(this.#coming);
  }

  #arrived(coming: PromiseWithResolvers<void>): void {
    coming.resolve();
    if (this.#coming === coming) this.#coming = null;
  }

  #find(hash: string): KeyRow | null {
    if (this.#unknown.has(hash) || !this.#mayLookUp()) return null;
    const isFresh = this.#refresh();
    const key = this.#byHash.get(hash) ?? null;
    if (key === null && isFresh && this.#unknown.size < UNKNOWN_MAX) this.#unknown.add(hash);
    return key;
  }

  #mayLookUp(): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#lookUpsSinceMs >= SECOND_MS) {
      this.#lookUpsSinceMs = nowMs;
      this.#lookUps = 0;
    }
    return this.#lookUps++ < LOOK_UPS_PER_SECOND_MAX;
  }

  /** A rotated key has another secret now; a change that is known already, or older, is nothing new. */
  #take(key: KeyRow): void {
    const before = this.#byAccount.get(key.account);
    if (before !== undefined) {
      if (before.version >= key.version) return;
      this.#byHash.delete(before.hash);
    }
    this.#byAccount.set(key.account, key);
    this.#byHash.set(key.hash, key);
  }
}
