import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { EntryRow } from "../entry-fields.ts";
import { prepareEntryRows } from "../restore.ts";
import { checkpointLine } from "./checkpoint.ts";
import { entryLine, type Head, type Link, type LinkKind, type SegmentRow, segmentLine } from "./link.ts";

/** A link, and what it covers as it is found now; to be read to the end before the next. */
export interface LinkRead {
  link: Link;
  records: Iterable<RecordRead>;
}

export interface RecordRead {
  /** As it is hashed, without the line feed. */
  line: string;
  /** Its fields. */
  row(): readonly unknown[];
}

/** Reads links and what they cover from the tables. */
export class LinkReader {
  readonly #statements: Statements;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  /** Links in the table behind that one, in order. */
  *after(head: Head): Generator<LinkRead> {
    let before = head;
    for (const row of this.#statements.links.iterate(head.position)) {
      const link = toLink(row);
      yield { link, records: this.#records(link, before) };
      before = link;
    }
  }

  /** Null where there is none, as when it was moved to a segment. */
  at(position: number): Link | null {
    const row = this.#statements.link.get(position);
    return row === undefined ? null : toLink(row);
  }

  /** The link's record, given the link that it signs; null where there is none. */
  checkpointLine(position: number, before: Head): string | null {
    const row = this.#statements.checkpoint.get(position);
    if (row === undefined) return null;
    const { atUs, balances, key, signature } = row as {
      atUs: number;
      balances: Uint8Array | null;
      key: string;
      signature: Uint8Array;
    };
    return checkpointLine({
      position: before.position,
      sequence: before.sequence,
      hash: hex(before.hash),
      balances: balances === null ? null : hex(balances),
      atUs,
      key,
      signature: hex(signature),
    });
  }

  *#records(link: Link, before: Head): Generator<RecordRead> {
    switch (link.kind) {
      case "genesis":
      case "entries":
        return yield* rowsOf(this.#statements.entries, [before.sequence, link.sequence], (fields) => {
          return entryLine(fields as EntryRow);
        });
      case "administration":
      case "unattributed":
        return yield* rowsOf(this.#statements.administration, [before.version, link.version]);
      case "checkpoint": {
        const line = this.checkpointLine(link.position, before);
        if (line !== null) yield recordOf(line);
        return;
      }
      case "segment": {
        const row = this.#statements.segment.get(link.position);
        if (row !== undefined) yield recordOf(segmentLine(toSegment(row)));
      }
    }
  }
}

/** Files that links were moved to, in order. */
export function readSegments(database: DatabaseSync): SegmentRow[] {
  return database.prepare(`SELECT ${SEGMENT_COLUMNS} FROM segments ORDER BY number`).all().map(toSegment);
}

/** A record of which only the line is there. */
export function recordOf(line: string): RecordRead {
  let row: unknown[] | null = null;
  return { line, row: () => (row ??= JSON.parse(line) as unknown[]) };
}

/** Entries and administrative records are lines as they are, but for what entries do not say. */
function* rowsOf(
  statement: StatementSync,
  range: [after: number, through: number],
  lineOf: (fields: readonly unknown[]) => string = JSON.stringify,
): Generator<RecordRead> {
  for (const row of statement.iterate(...range)) {
    const fields = row as unknown as readonly unknown[];
    yield { line: lineOf(fields), row: () => fields };
  }
}

function toLink(row: Record<string, unknown>): Link {
  const { kind, hash, ...numbers } = row as unknown as Omit<Link, "hash"> & {
    kind: LinkKind;
    hash: Uint8Array;
  };
  return { ...numbers, kind, hash: Buffer.from(hash) };
}

const SEGMENT_COLUMNS = `number, first_position AS first, last_position AS last, sequence,
  last_hash AS lastHash, file_hash AS fileHash`;

function toSegment(row: Record<string, unknown>): SegmentRow {
  const { number, first, last, sequence, lastHash, fileHash } = row as Record<string, number> &
    Record<"lastHash" | "fileHash", Uint8Array>;
  return [number!, first!, last!, sequence!, hex(lastHash), hex(fileHash)];
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

type Statements = Record<
  "links" | "link" | "entries" | "administration" | "checkpoint" | "segment",
  StatementSync
>;

function prepare(database: DatabaseSync): Statements {
  const administration = database.prepare(
    "SELECT version, at_us, kind, record FROM administration WHERE version > ? AND version <= ? ORDER BY version",
  );
  administration.setReturnArrays(true);
  const link = "SELECT position, kind, sequence, version, count, hash FROM chain";
  return {
    administration,
    links: database.prepare(`${link} WHERE position > ? ORDER BY position`),
    link: database.prepare(`${link} WHERE position = ?`),
    entries: prepareEntryRows(database),
    checkpoint: database.prepare(
      "SELECT at_us AS atUs, balances, key, signature FROM checkpoints WHERE position = ?",
    ),
    segment: database.prepare(`SELECT ${SEGMENT_COLUMNS} FROM segments WHERE position = ?`),
  };
}
