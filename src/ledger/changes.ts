import type { DatabaseSync } from "node:sqlite";
import type { TrackedWindow } from "../core/budget/accounts.ts";
import { pathOf } from "../core/budget/paths.ts";
import type { Known } from "../core/budget/limited-accounts.ts";
import type { LimitRow } from "../core/budget/limits.ts";
import { type KeyRow, readKeys } from "../keys/key-table.ts";
import { isCharged } from "./known-account.ts";
import { readLimits } from "./limit-table.ts";
import { consistently } from "./transaction.ts";
import { lastSequence, zonesOf } from "./window-use.ts";

/** Of the last changes that are known; those of limits and of keys count apart. */
export interface Versions {
  limits: number;
  keys: number;
}

/** What was changed in the file: limits with null where there is none any more, and keys. */
export interface Changes {
  limits: LimitRow[];
  /** Of the windows that these limits are for. */
  known: Known;
  keys: KeyRow[];
  /** Everything up to these versions is known together with what was known before. */
  through: Versions;
}

/** Versions of the last changes in the file, without the changes. */
export function readVersions(database: DatabaseSync): Versions {
  const row = database
    .prepare(
      `SELECT (SELECT coalesce(max(version), 0) FROM limits) AS limits,
         (SELECT coalesce(max(version), 0) FROM keys) AS keys`,
    )
    .get();
  return row as unknown as Versions;
}

export const NO_VERSIONS: Versions = { limits: 0, keys: 0 };

/** What was changed after those versions; after `NO_VERSIONS`, all there is. `knownOf` says what is known of the limits among it. */
export function readChanges(
  database: DatabaseSync,
  after: Versions,
  knownOf: (limits: readonly LimitRow[]) => Known,
): Changes {
  // As of one commit, so that a key and the limits it was created with are never seen apart, nor a limit and what was used
  // under it.
  return consistently(database, () => {
    const { limits, version } = readLimits(database, { after: after.limits });
    const keys = readKeys(database, { after: after.keys });
    const keyVersion = keys.reduce((last, key) => Math.max(last, key.version), after.keys);
    return { limits, known: knownOf(limits), keys, through: { limits: version, keys: keyVersion } };
  });
}

/**
 * Of what was changed after those versions, what can be told without adding anything up, which may take long; null where
 * that is nothing.
 *
 * A limit needs figures only where something was used: under an account that no entry was ever written for, every window
 * is empty. So are those of a new key, and it can be told with its limits at once:
 *
 * | limits that were changed | told |
 * |---|---|
 * | none of them needs figures | all of it |
 * | some do, none is of a key that was changed | keys; the limits come with their figures, from whoever counts |
 * | some do, and some are of such a key | nothing: the key must not be used before its limits are in force |
 */
export function readPlainChanges(database: DatabaseSync, after: Versions): Changes | null {
  return consistently(database, () => {
    let isPlain = true;
    const changes = readChanges(database, after, (limits) => {
      const windows = windowsOf(limits);
      isPlain = !windows.some(({ account }) => isCharged(database, account));
      return { zones: isPlain ? zonesOf(database, windows) : [], used: [], through: lastSequence(database) };
    });
    if (isPlain) return changes;
    const limited = new Set(changes.limits.map(({ account }) => account));
    if (changes.keys.some(({ account }) => limited.has(account))) return null;
    const through = { ...changes.through, limits: after.limits };
    return { ...changes, limits: [], through };
  });
}

/**
 * Keys that were changed after those versions, for a replica, which is told of limits by another process: without those
 * that have a limit on their path that it was not told of yet, for a key is not used before its limits are in force.
 */
export function readUsableKeys(database: DatabaseSync, after: Versions): { keys: KeyRow[]; isAll: boolean } {
  return consistently(database, () => {
    const { limits } = readLimits(database, { after: after.limits });
    const notInForce = new Set(limits.map(({ account }) => account));
    const changed = readKeys(database, { after: after.keys });
    const keys = changed.filter(({ account }) => !pathOf(account).some((name) => notInForce.has(name)));
    return { keys, isAll: keys.length === changed.length };
  });
}

/** The windows that limits are for, of those that are in force; `total` is always counted and needs no figures. */
export function windowsOf(limits: readonly LimitRow[]): TrackedWindow[] {
  return limits.filter(({ amount, window }) => amount !== null && window !== "total");
}

export interface ChangeListeners {
  limits(changed: LimitRow[], known: Known): void;
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
  tell({ limits, known, keys, through }: Changes): void {
    const { limits: toldLimits, keys: toldKeys } = this.#told;
    this.#told = {
      limits: Math.max(toldLimits, through.limits),
      keys: Math.max(toldKeys, through.keys),
    };
    if (through.limits > toldLimits) this.#listeners.limits(limits, known);
    if (through.keys > toldKeys) this.#listeners.keys(keys);
  }
}
