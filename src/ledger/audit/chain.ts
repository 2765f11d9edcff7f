import type { DatabaseSync, StatementSync } from "node:sqlite";
import { MICROS_PER_MILLI, type Micros, seconds } from "../../core/units.ts";
import { type EntryRow, FIELDS_PER_ENTRY, type Field } from "../entry-fields.ts";
import type { Chain as EntryChain } from "../entry-writer.ts";
import { consistently, inTransaction } from "../transaction.ts";
import { type Checkpoint, checkpointLine, digestOfFile, signCheckpoint } from "./checkpoint.ts";
import {
  type AdministrationRow,
  administrationLine,
  entryLine,
  type Head,
  type Link,
  LinkHash,
  NO_HEAD,
  RECORDS_PER_LINK_MAX,
} from "./link.ts";
import { type Signer, signerBeside } from "./signing-key.ts";

/** At most as many links are between one checkpoint and the next: whoever verifies misses those that were taken out. */
export const LINKS_PER_CHECKPOINT = 1_024;
/** What a link of entries has room for. */
const FIELDS_PER_LINK_MAX = RECORDS_PER_LINK_MAX * FIELDS_PER_ENTRY;
/** While anything is written, there is a checkpoint as often. */
const CHECKPOINT_US: Micros = seconds(600);

/**
 * Appends to the chain, within the transaction that writes what a link covers. Supervisor and commands both do:
 * where the chain ends is read in each transaction, and SQLite lets one of them write at a time.
 *
 * ```
 *   link ◀── link ◀── link ◀── checkpoint ◀── link ◀── …
 *     │        │        │           │
 *     ▼        ▼        ▼           ▼
 *   entries  limits,  entries   signature under the link before
 *            keys
 * ```
 */
export class Chain implements EntryChain {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  /** Null until the first checkpoint. */
  #signer: Signer | null = null;
  /** The latest that this process knows of; there may be a later one. */
  #checkpoint: { position: number; atUs: Micros };

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = prepare(database);
    this.#checkpoint = this.#latestCheckpoint();
  }

  /** Covers entries that were just written. */
  extend(fields: readonly Field[]): void {
    let head = this.#coverAdministration("unattributed");
    for (let from = 0; from < fields.length; from += FIELDS_PER_LINK_MAX) {
      const some =
        fields.length <= FIELDS_PER_LINK_MAX ? fields : fields.slice(from, from + FIELDS_PER_LINK_MAX);
      head = this.#append(head, coverEntries("entries", some));
    }
  }

  /** Covers limits, keys and time zones that the caller has written in this transaction; see `administer`. */
  administration(): void {
    this.#coverAdministration("administration");
  }

  /** Covers those that somebody has written who has not covered them: that was not Headgate. */
  unattributed(): void {
    this.#coverAdministration("unattributed");
  }

  /** Covers what somebody else has written. */
  append(link: NewLink): void {
    this.#append(this.head(), link);
  }

  /**
   * Signs what there is. With `balances`, the digest of what it all adds up to is signed, too, which takes a second for
   * some 300,000 accounts. Nothing for a ledger in memory.
   */
  checkpoint({ balances }: { balances: boolean }): void {
    inTransaction(this.#database, () => {
      const head = this.#coverAdministration("unattributed");
      this.#sign(head, balances ? digestOfFile(this.#database) : null);
    });
  }

  /** Covers entries that were there before there was a chain; they are read in order. Nothing is signed: it may be somebody who only looks. */
  genesis(rows: Iterable<EntryRow>): void {
    let head = NO_HEAD;
    let fields: Field[] = [];
    for (const row of rows) {
      fields.push(...row);
      if (fields.length < FIELDS_PER_LINK_MAX) continue;
      head = this.#link(head, coverEntries("genesis", fields));
      fields = [];
    }
    if (fields.length > 0 || head === NO_HEAD) this.#link(head, coverEntries("genesis", fields));
  }

  head(): Head {
    return this.#stand().head;
  }

  /** Where the chain ends, and the last administrative record that there is. */
  #stand(): { head: Head; recorded: number } {
    const row = this.#statements.stand.get() as unknown as StandRow | undefined;
    if (row === undefined) return { head: NO_HEAD, recorded: 0 };
    const [position, sequence, version, hash, recorded] = row;
    return { head: { position, sequence, version, hash: Buffer.from(hash) }, recorded };
  }

  #coverAdministration(kind: "administration" | "unattributed"): Head {
    const { head: before, recorded } = this.#stand();
    if (recorded <= before.version) return before;
    const rows = this.#statements.administration.all(before.version) as unknown as AdministrationRow[];
    let head = before;
    for (let i = 0; i < rows.length; i += RECORDS_PER_LINK_MAX) {
      const some = rows.slice(i, i + RECORDS_PER_LINK_MAX);
      const lines = some.map((row) => `${administrationLine(row)}\n`).join("");
      head = this.#append(head, {
        kind,
        version: some.at(-1)![0],
        count: some.length,
        lines,
      });
    }
    return head;
  }

  /** And a checkpoint, where one is due. */
  #append(before: Head, link: NewLink): Head {
    const head = this.#link(before, link);
    if (!this.#isDue(head.position)) return head;
    // Another process may have been there.
    this.#checkpoint = this.#latestCheckpoint();
    return this.#isDue(head.position) ? this.#sign(head, null) : head;
  }

  #link({ hash: before, ...head }: Head, { lines, ...link }: NewLink): Head {
    const next = { ...head, ...link, position: head.position + 1 };
    const linkHash = new LinkHash(before, next);
    linkHash.update(lines);
    const hash = linkHash.digest();
    const { position, kind, sequence, version, count } = next;
    this.#statements.insertLink.run(position, kind, sequence, version, count, hash);
    return { position, sequence, version, hash };
  }

  #isDue(position: number): boolean {
    const isLong = position - this.#checkpoint.position >= LINKS_PER_CHECKPOINT;
    return isLong || nowUs() - this.#checkpoint.atUs >= CHECKPOINT_US;
  }

  #sign(before: Head, balances: string | null): Head {
    this.#signer ??= signerBeside(this.#database);
    if (this.#signer === null) return before;
    const checkpoint = signCheckpoint(before, { balances, signer: this.#signer });
    const { atUs, key, signature } = checkpoint;
    const digest = balances === null ? null : Buffer.from(balances, "hex");
    const head = this.#link(before, {
      kind: "checkpoint",
      count: 1,
      lines: `${checkpointLine(checkpoint)}\n`,
    });
    this.#statements.insertCheckpoint.run(head.position, atUs, digest, key, Buffer.from(signature, "hex"));
    this.#checkpoint = { position: head.position, atUs };
    return head;
  }

  #latestCheckpoint(): { position: number; atUs: Micros } {
    const row = this.#statements.checkpoint.get() as unknown as
      | { position: number; atUs: Micros }
      | undefined;
    return row ?? { position: 0, atUs: 0 };
  }
}

/**
 * Whoever writes limits, keys or time zones does it in here: all of `work` or nothing, and covered as Headgate's own in
 * the same transaction. Whatever is found uncovered at any other time was written by something else, and the chain says so
 * for ever.
 */
export function administer<T>(database: DatabaseSync, work: () => T): T {
  return inTransaction(database, () => {
    const chain = new Chain(database);
    chain.unattributed();
    const result = work();
    chain.administration();
    return result;
  });
}

/** A checkpoint of what the file says now, with its balances, as of one commit; nothing is written. */
export function takeCheckpoint(database: DatabaseSync, signer: Signer): Checkpoint {
  return consistently(database, () => {
    return signCheckpoint(new Chain(database).head(), { balances: digestOfFile(database), signer });
  });
}

/** What a link is to cover: its records' lines, and how far it goes where that is further than before. */
export type NewLink = Pick<Link, "kind" | "count"> &
  Partial<Pick<Link, "version" | "sequence">> & { lines: string };

function coverEntries(kind: "genesis" | "entries", fields: readonly Field[]): NewLink {
  let lines = "";
  for (let i = 0; i < fields.length; i += FIELDS_PER_ENTRY) {
    lines += `${entryLine(fields.slice(i, i + FIELDS_PER_ENTRY) as EntryRow)}\n`;
  }
  const sequence = (fields.at(-FIELDS_PER_ENTRY) ?? 0) as number;
  return { kind, sequence, count: fields.length / FIELDS_PER_ENTRY, lines };
}

type StandRow = [position: number, sequence: number, version: number, hash: Uint8Array, recorded: number];

function nowUs(): Micros {
  return Date.now() * MICROS_PER_MILLI;
}

type Statements = ReturnType<typeof prepare>;

function prepare(
  database: DatabaseSync,
): Record<"stand" | "administration" | "insertLink" | "insertCheckpoint" | "checkpoint", StatementSync> {
  const administration = database.prepare(
    "SELECT version, at_us, kind, record FROM administration WHERE version > ? ORDER BY version",
  );
  administration.setReturnArrays(true);
  const stand = database.prepare(
    `SELECT position, sequence, version, hash, (SELECT coalesce(max(version), 0) FROM administration)
     FROM chain ORDER BY position DESC LIMIT 1`,
  );
  stand.setReturnArrays(true);
  return {
    administration,
    stand,
    insertLink: database.prepare(
      "INSERT INTO chain (position, kind, sequence, version, count, hash) VALUES (?, ?, ?, ?, ?, ?)",
    ),
    insertCheckpoint: database.prepare(
      "INSERT INTO checkpoints (position, at_us, balances, key, signature) VALUES (?, ?, ?, ?, ?)",
    ),
    checkpoint: database.prepare(
      "SELECT position, at_us AS atUs FROM checkpoints ORDER BY position DESC LIMIT 1",
    ),
  };
}
