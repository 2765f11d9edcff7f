import type { DatabaseSync, StatementSync } from "node:sqlite";
import { Accounts } from "../core/budget/accounts.ts";
import { type EntryRow, FIELDS_PER_ENTRY, type Field, toEntry } from "./entry-fields.ts";
import { readSinceSnapshot } from "./restore.ts";

/** Entries that whoever opens the file has to add up at most, more or less: a few milliseconds' work. */
const ENTRIES_PER_SNAPSHOT = 4_096;

/**
 * Writes groups of entries into the file, and now and then what they add up to.
 *
 * Only what has been posted since the last snapshot is in memory, and the open holds; a snapshot
 * adds it to the balances in the file. So days long over cost nothing and stay right when an adjust
 * comes for one of them.
 */
export class EntryWriter {
  readonly #statements: Statements;
  readonly #accountIds = new Map<string, number>();
  #sinceSnapshot: Accounts;
  #snapshotSequence: number;

  /** Nobody else may append to the file as long as this exists. */
  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
    this.#sinceSnapshot = readSinceSnapshot(database);
    this.#snapshotSequence = this.#statements.readSnapshot.get()!["sequence"] as number;
    for (const { id, name } of this.#statements.readAccounts.iterate()) {
      this.#accountIds.set(name as string, id as number);
    }
  }

  /**
   * Writes the group; it is durable on return. What the file has already is left out, so a group
   * whose first writing is in doubt can be written again. Throws when it cannot be written, and must
   * not be used any more then.
   */
  write(group: readonly Field[]): void {
    const { begin, commit } = this.#statements;
    begin.run();
    for (let i = 0; i < group.length; i += FIELDS_PER_ENTRY) {
      this.#insert(group.slice(i, i + FIELDS_PER_ENTRY) as EntryRow);
    }
    if (this.#sinceSnapshot.sequence - this.#snapshotSequence >= ENTRIES_PER_SNAPSHOT) this.#snapshot();
    commit.run();
  }

  /** Leaves nothing to add up for the next one to open the file. */
  close(): void {
    const { begin, commit } = this.#statements;
    begin.run();
    this.#snapshot();
    commit.run();
  }

  #insert(row: EntryRow): void {
    const [sequence, atUs, operation, hold, account, ...rest] = row;
    if (sequence <= this.#sinceSnapshot.sequence) return;
    this.#statements.insertEntry.run(sequence, atUs, operation, hold, this.#accountId(account), ...rest);
    this.#sinceSnapshot.apply(toEntry(row));
  }

  #accountId(name: string): number {
    let id = this.#accountIds.get(name);
    if (id === undefined) {
      id = Number(this.#statements.insertAccount.run(name).lastInsertRowid);
      this.#accountIds.set(name, id);
    }
    return id;
  }

  #snapshot(): void {
    const { addBalance, writeSnapshot } = this.#statements;
    const { sequence, clockUs, names, holds, inDoubt } = this.#sinceSnapshot;
    for (const name of names) {
      for (const row of this.#sinceSnapshot.rowsOf(name)) {
        const { window, startUs, nanoUsd, inputTokens, outputTokens, requests } = row;
        const account = this.#accountId(name);
        addBalance.run(account, window, startUs, BigInt(nanoUsd), inputTokens, outputTokens, requests);
      }
    }
    const open = [...holds.values()];
    writeSnapshot.run(sequence, clockUs, JSON.stringify(open));
    this.#sinceSnapshot = new Accounts({
      sequence,
      clockUs,
      balances: [],
      holds: open,
      inDoubt: [...inDoubt.values()],
    });
    this.#snapshotSequence = sequence;
  }
}

type Statements = ReturnType<typeof prepare>;

function prepare(
  database: DatabaseSync,
): Record<
  | "begin"
  | "commit"
  | "readAccounts"
  | "readSnapshot"
  | "insertAccount"
  | "insertEntry"
  | "addBalance"
  | "writeSnapshot",
  StatementSync
> {
  const twelve = Array.from({ length: FIELDS_PER_ENTRY }, () => "?").join(", ");
  return {
    begin: database.prepare("BEGIN IMMEDIATE"),
    commit: database.prepare("COMMIT"),
    readAccounts: database.prepare("SELECT id, name FROM accounts"),
    readSnapshot: database.prepare("SELECT sequence FROM snapshot"),
    insertAccount: database.prepare("INSERT INTO accounts (name) VALUES (?)"),
    insertEntry: database.prepare(`INSERT INTO entries VALUES (${twelve})`),
    addBalance: database.prepare(
      `INSERT INTO balances VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET
         nano_usd = nano_usd + excluded.nano_usd,
         input_tokens = input_tokens + excluded.input_tokens,
         output_tokens = output_tokens + excluded.output_tokens,
         requests = requests + excluded.requests`,
    ),
    writeSnapshot: database.prepare("UPDATE snapshot SET sequence = ?, clock_us = ?, holds = ?"),
  };
}
