import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { TrackedWindow } from "../core/budget/accounts.ts";
import type { Known } from "../core/budget/limited-accounts.ts";
import { AccountIds } from "./account-ids.ts";
import { type EntryRow, FIELDS_PER_ENTRY, type Field, toEntry } from "./entry-fields.ts";
import type { Share } from "./shares.ts";
import { Summary } from "./summary.ts";
import { trackLimits } from "./tracking.ts";
import { zonesOf } from "./window-use.ts";

/** Entries that whoever opens the file has to add up at most, more or less: a few milliseconds' work. */
const ENTRIES_PER_SNAPSHOT = 4_096;

/** What makes entries an audit can trust: told of each group, within the transaction that writes it. */
export interface Chain {
  /** Entries that were just written, in order, as flat as they come. */
  extend(rows: readonly Field[]): void;
}

/** Writes groups of entries into the file, and now and then what they add up to. */
export class EntryWriter {
  readonly #database: DatabaseSync;
  readonly #chain: Chain | null;
  readonly #ids: AccountIds;
  readonly #statements: Statements;
  readonly #summary: Summary;

  /** Nobody else may append to the file as long as this exists. */
  constructor(database: DatabaseSync, chain: Chain | null = null) {
    this.#database = database;
    this.#chain = chain;
    this.#ids = new AccountIds(database);
    this.#statements = prepare(database);
    this.#summary = new Summary(database, this.#ids);
    this.#summary.catchUp();
  }

  /** What was counted so far, to look into. */
  get accounts(): Summary["accounts"] {
    return this.#summary.accounts;
  }

  /**
   * Writes the group, and returns what was posted by it; it is durable then. What the file has already is left out, so a group
   * whose first writing is in doubt can be written again. Throws when it cannot be written, and must
   * not be used any more then.
   */
  write(group: readonly Field[]): readonly Share[] {
    const { begin, commit } = this.#statements;
    begin.run();
    const before = this.#summary.posts;
    const first = this.#firstNew(group);
    for (let i = first; i < group.length; i += FIELDS_PER_ENTRY) {
      this.#insert(group.slice(i, i + FIELDS_PER_ENTRY) as EntryRow);
    }
    if (first < group.length) this.#chain?.extend(group.slice(first));
    const posted = this.#summary.sharesFrom(before);
    if (this.#summary.unsummed >= ENTRIES_PER_SNAPSHOT) this.#summary.writeSnapshot();
    commit.run();
    return posted;
  }

  /**
   * From here on counts the windows of limits that were set after that version, too. Within a transaction: after a failure
   * it must not be used any more.
   */
  track({ after, nowUs }: { after: number; nowUs: number }): void {
    const { windows, rows, zones } = trackLimits(this.#database, { after, nowUs });
    if (windows.length > 0) this.#summary.track(windows, { rows, zones });
  }

  /**
   * What was posted in windows through the last entry that was written. They have to be counted; so nothing is added up for
   * it, however much was posted.
   */
  known(windows: readonly TrackedWindow[]): Known {
    const { sequence: through } = this.#summary.accounts;
    return { zones: zonesOf(this.#database, windows), used: this.#summary.rowsOf(windows), through };
  }

  /** Leaves nothing to add up for the next one to open the file. */
  close(): void {
    const { begin, commit } = this.#statements;
    begin.run();
    this.#summary.writeSnapshot();
    commit.run();
  }

  #firstNew(group: readonly Field[]): number {
    const { sequence } = this.#summary.accounts;
    let i = 0;
    while (i < group.length && (group[i] as number) <= sequence) i += FIELDS_PER_ENTRY;
    return i;
  }

  #insert(row: EntryRow): void {
    const [sequence, atUs, operation, hold, account, ...rest] = row;
    this.#statements.insertEntry.run(sequence, atUs, operation, hold, this.#ids.idOf(account), ...rest);
    this.#summary.apply(toEntry(row));
  }
}

type Statements = Record<"begin" | "commit" | "insertEntry", StatementSync>;

function prepare(database: DatabaseSync): Statements {
  const fields = Array.from({ length: FIELDS_PER_ENTRY }, () => "?").join(", ");
  return {
    begin: database.prepare("BEGIN IMMEDIATE"),
    commit: database.prepare("COMMIT"),
    insertEntry: database.prepare(
      `INSERT INTO entries (sequence, at_us, operation, hold, account, nano_usd, input_tokens, output_tokens, requests,
         held_at_us, in_doubt, overage, model, cached_tokens, reasoning_tokens, gpu_us, parts) VALUES (${fields})`,
    ),
  };
}
