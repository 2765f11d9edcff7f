import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Accounts by the numbers that the file has for them; one that has none gets the next. Within a transaction of its user. */
export class AccountIds {
  readonly #known = new Map<string, number>();
  readonly #find: StatementSync;
  readonly #insert: StatementSync;

  constructor(database: DatabaseSync) {
    this.#find = database.prepare("SELECT id FROM accounts WHERE name = ?");
    this.#insert = database.prepare("INSERT INTO accounts (name) VALUES (?)");
  }

  idOf(name: string): number {
    let id = this.#known.get(name);
    if (id === undefined) {
      id =
        (this.#find.get(name)?.["id"] as number | undefined) ??
        Number(this.#insert.run(name).lastInsertRowid);
      this.#known.set(name, id);
    }
    return id;
  }
}
