import { createHash } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { gzipSync } from "node:zlib";
import type { Micros } from "../../core/units.ts";
import { takeOwnership } from "../ownership.ts";
import { consistently, inTransaction } from "../transaction.ts";
import { AuditFile, auditLines } from "./audit-file.ts";
import { Chain } from "./chain.ts";
import { type Head, type Link, segmentLine, type SegmentRow } from "./link.ts";
import { LinkReader, type LinkRead, readSegments } from "./read-links.ts";
import { movedThrough, SEGMENT_FOLDER, segmentPath } from "./segments.ts";
import { Walk } from "./walk.ts";

/** A segment is cut when it has so many records: some 50 MiB before they are packed. */
const RECORDS_PER_SEGMENT = 200_000;
/** Rows that are deleted at once, so that a supervisor waits for milliseconds. */
const ROWS_AT_ONCE = 2_000;

export interface Compaction {
  segments: number;
  /** That were moved by this run, and that were deleted, of this run and of one that was broken off. */
  moved: number;
  deleted: number;
  /** Whether the file is smaller now; else the space is used for what comes next. */
  isShrunk: boolean;
}

/**
 * Moves links whose entries are all older to files, and then deletes what they cover. A supervisor may be running: it
 * reads nothing that is moved, and every transaction is short. Each step can be the last:
 *
 * ```
 *   segment written, synced, renamed ──▶ recorded, chained and signed ──▶ rows deleted, some at a time ──▶ file shrunk
 *     not in the ledger: written            whatever is still there is deleted by the next run;
 *     again, the same                       until then both have to say the same
 * ```
 *
 * What stays: the last link that was moved, since the next is computed from it; posts in doubt that a receipt may still
 * correct, and those that went beyond their holds, which reports count; whatever the snapshot does not include.
 */
export function compact(
  database: DatabaseSync,
  { beforeUs, segmentRecords = RECORDS_PER_SEGMENT }: { beforeUs: Micros; segmentRecords?: number },
): Compaction {
  const stateFolder = dirname(database.location()!);
  mkdirSync(`${stateFolder}/${SEGMENT_FOLDER}`, { recursive: true, mode: 0o700 });
  const lock = takeLock(stateFolder);
  try {
    let deleted = deleteMoved(database);
    const before = movedThrough(database).sequence;
    let segments = 0;
    while (moveSegment(database, { beforeUs, stateFolder, segmentRecords })) segments += 1;
    const moved = movedThrough(database).sequence - before;
    deleted += deleteMoved(database);
    return { segments, moved, deleted, isShrunk: deleted > 0 && shrink(database, stateFolder) };
  } finally {
    lock.close();
  }
}

/** Whether there was one to move. */
function moveSegment(
  database: DatabaseSync,
  {
    beforeUs,
    stateFolder,
    segmentRecords,
  }: { beforeUs: Micros; stateFolder: string; segmentRecords: number },
): boolean {
  const segment = consistently(database, () => {
    const after = movedThrough(database);
    const last = lastToMove(database, after, { beforeUs, segmentRecords });
    if (last === null) return null;
    const lines = [...auditLines(after, until(last, new LinkReader(database).after(after)))];
    // What is not right is not deleted: whoever looks into it needs all that there is.
    const walk = new Walk({ from: after, verifiers: null, kept: null, listener: { digest: () => null } });
    for (const link of new AuditFile(lines).links()) walk.take(link);
    return { after, last, packed: gzipSync(lines.map((line) => `${line}\n`).join("")) };
  });
  if (segment === null) return false;
  const { after, last, packed } = segment;
  const number = readSegments(database).length + 1;
  writeDurably(segmentPath(stateFolder, number), packed);
  const fileHash = createHash("sha256").update(packed).digest();
  inTransaction(database, () => {
    const chain = new Chain(database);
    chain.unattributed();
    const first = after.position + 1;
    const insert = database.prepare(
      `INSERT INTO segments (number, position, first_position, last_position, sequence, last_hash, file_hash)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    const position = chain.head().position + 1;
    insert.run(number, position, first, last.position, last.sequence, last.hash, fileHash);
    const [lastHash, hash] = [last.hash.toString("hex"), fileHash.toString("hex")];
    const record: SegmentRow = [number, first, last.position, last.sequence, lastHash, hash];
    chain.append({ kind: "segment", count: 1, lines: `${segmentLine(record)}\n` });
    chain.checkpoint({ balances: false });
  });
  return true;
}

/** The last link that can be moved now and has room in the segment; null where there is none. */
function lastToMove(
  database: DatabaseSync,
  after: Head,
  { beforeUs, segmentRecords }: { beforeUs: Micros; segmentRecords: number },
): Link | null {
  // What comes after the snapshot is added up by whoever opens the file. The last entry says where the ledger goes on.
  const { last } = database
    .prepare("SELECT min((SELECT sequence FROM snapshot), (SELECT max(sequence) FROM entries) - 1) AS last")
    .get()! as { last: number | null };
  const links = database.prepare(
    `SELECT position, kind, sequence, version, count, hash,
       (SELECT at_us FROM entries WHERE entries.sequence = chain.sequence) AS atUs
     FROM chain WHERE position > ? AND sequence <= ? ORDER BY position`,
  );
  let records = 0;
  let found: Link | null = null;
  for (const row of links.iterate(after.position, last ?? 0)) {
    const { atUs, ...link } = row as unknown as Link & { atUs: number | null };
    // Of a link that covers no entry, the last one before it says how old it is.
    if (atUs !== null && atUs >= beforeUs) break;
    records += link.count;
    if (found !== null && records > segmentRecords) break;
    found = { ...link, hash: Buffer.from(link.hash) };
  }
  return found !== null && found.sequence > after.sequence ? found : null;
}

function* until(last: Link, links: Iterable<LinkRead>): Generator<LinkRead> {
  for (const link of links) {
    yield link;
    if (link.link.position === last.position) return;
  }
}

/** Deletes what stands in segments, but for what has to stay; how many entries that were. */
function deleteMoved(database: DatabaseSync): number {
  const { position, sequence } = movedThrough(database);
  if (position === 0) return 0;
  const deleted = deleteInSteps(sequence, {
    statement: database.prepare(
      `DELETE FROM entries WHERE sequence IN (
         SELECT sequence FROM entries WHERE sequence > :from AND sequence <= :until
           AND overage IS NULL AND NOT (in_doubt = 1 AND NOT EXISTS (
             SELECT 1 FROM entries AS later
             WHERE later.operation = 'adjust' AND later.hold = entries.hold AND later.sequence <= ${sequence})))`,
    ),
    database,
  });
  for (const table of ["chain", "checkpoints"]) {
    const statement = database.prepare(`DELETE FROM ${table} WHERE position > :from AND position <= :until`);
    deleteInSteps(position - 1, { statement, database });
  }
  return deleted;
}

/** Each step is a transaction; how many rows there were. One upper bound: with two, SQLite may go by the wrong one. */
function deleteInSteps(
  last: number,
  { statement, database }: { statement: StatementSync; database: DatabaseSync },
): number {
  let deleted = 0;
  for (let from = 0; from < last; from += ROWS_AT_ONCE) {
    const end = Math.min(from + ROWS_AT_ONCE, last);
    deleted += Number(inTransaction(database, () => statement.run({ from, until: end })).changes);
  }
  return deleted;
}

/** False while a supervisor has the ledger: it would have to wait for the whole file to be written anew. */
function shrink(database: DatabaseSync, stateFolder: string): boolean {
  let ownership;
  try {
    ownership = takeOwnership(stateFolder);
  } catch {
    return false;
  }
  try {
    database.exec("VACUUM");
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    return true;
  } finally {
    ownership.release();
  }
}

function writeDurably(path: string, bytes: Buffer): void {
  const temporary = `${path}.tmp`;
  writeFileSync(temporary, bytes, { mode: 0o600, flush: true });
  renameSync(temporary, path);
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** One compaction at a time: the lock of an empty SQLite file, which the system frees however a process ends. */
function takeLock(stateFolder: string): DatabaseSync {
  const lock = new DatabaseSync(`${stateFolder}/${SEGMENT_FOLDER}/compaction.lock`, { timeout: 0 });
  try {
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock.close();
    throw new Error(`Another process is compacting ${stateFolder}; wait for it to end.`, { cause: error });
  }
}
