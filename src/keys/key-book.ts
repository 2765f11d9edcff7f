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

/**
 * All keys in memory, by the hash of their secret. Told when the file has changed; at a secret it
 * does not know yet it asks for that, so that a key works from the moment it was created.
 */
export class KeyBook {
  readonly #refresh: () => boolean;
  readonly #byHash = new Map<string, KeyRow>();
  readonly #byAccount = new Map<string, KeyRow>();
  readonly #unknown = new Set<string>();
  #lookUps = 0;
  #lookUpsSinceMs = 0;

  /** `refresh` calls `update` with what is new in the file; it returns false when it can't say. */
  constructor(keys: readonly KeyRow[], refresh: () => boolean) {
    this.#refresh = refresh;
    this.update(keys);
  }

  /** Whether no key has ever been created. Keys are disabled, never deleted. */
  get isEmpty(): boolean {
    return this.#byHash.size === 0;
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
