import type { DatabaseSync } from "node:sqlite";
import type { LimitRow } from "../core/budget/limits.ts";
import { type KeyRow, readKeys } from "../keys/key-table.ts";
import { consistently } from "./database.ts";
import { readLimits } from "./limit-table.ts";

/** Of the last changes that are known; those of limits and of keys count apart. */
export interface Versions {
  limits: number;
  keys: number;
}

/** What was changed in the file: limits with null where there is none any more, and keys. */
export interface Changes {
  limits: LimitRow[];
  keys: KeyRow[];
  /** Everything up to these versions is known together with what was known before. */
  through: Versions;
}

export const NO_VERSIONS: Versions = { limits: 0, keys: 0 };

/**
 * What was changed after those versions; after `NO_VERSIONS`, all there is. It is read as of one
 * commit, so that a key and the limits it was created with are never seen apart.
 */
export function readChanges(database: DatabaseSync, after: Versions): Changes {
  return consistently(database, () => {
    const { limits, version } = readLimits(database, { after: after.limits });
    const keys = readKeys(database, { after: after.keys });
    const keyVersion = Math.max(after.keys, ...keys.map((key) => key.version));
    return { limits, keys, through: { limits: version, keys: keyVersion } };
  });
}

export interface ChangeListeners {
  limits(changed: LimitRow[]): void;
  keys(changed: KeyRow[]): void;
}

/**
 * Tells of changes, whoever has read them, and knows which were told last. Two connections read the
 * file, and what one of them read may be late: it is left out then, so that no older limit takes the
 * place of a newer one.
 */
export class ChangeTeller {
  readonly #listeners: ChangeListeners;
  #told: Versions;

  constructor(told: Versions, listeners: ChangeListeners) {
    this.#told = told;
    this.#listeners = listeners;
  }

  /** Of the last changes that were told. */
  get told(): Versions {
    return this.#told;
  }

  /** Limits first: a new key is not used before its limits are in force. */
  tell({ limits, keys, through }: Changes): void {
    const { limits: toldLimits, keys: toldKeys } = this.#told;
    this.#told = {
      limits: Math.max(toldLimits, through.limits),
      keys: Math.max(toldKeys, through.keys),
    };
    if (through.limits > toldLimits) this.#listeners.limits(limits);
    if (through.keys > toldKeys) this.#listeners.keys(keys);
  }
}
