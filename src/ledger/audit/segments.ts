import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { EntryRow } from "../entry-fields.ts";
import { prepareEntryRows } from "../restore.ts";
import { AuditFile, linesOfPacked } from "./audit-file.ts";
import {
  administrationLine,
  entryLine,
  type AdministrationRow,
  type Head,
  isAdministrative,
  type Link,
  NO_HEAD,
  type SegmentRow,
} from "./link.ts";
import { AuditError, guarded } from "./problem.ts";
import { LinkReader, type LinkRead, readSegments, type RecordRead } from "./read-links.ts";

/** Of an entry's record. */
const OVERAGE = 11;

/** Beside the ledger. */
export const SEGMENT_FOLDER = "audit";

export function segmentPath(stateFolder: string, number: number): string {
  return join(stateFolder, SEGMENT_FOLDER, `${String(number).padStart(6, "0")}.jsonl.gz`);
}

/** Links that were moved to files, in order. Throws an `AuditError` where a file is not the one that was written. */
export function* linksOfSegments(stateFolder: string, segments: readonly SegmentRow[]): Generator<LinkRead> {
  let last = 0;
  for (const segment of segments) {
    const [number, first, lastPosition, , lastHash] = segment;
    if (first !== last + 1)
      throw new AuditError("segments", `segment ${number} does not follow the one before it`);
    const file = guarded(
      "segments",
      first,
      () => new AuditFile(linesOfPacked(readPacked(stateFolder, segment))),
    );
    let read: Link | null = null;
    for (const one of file.links()) {
      read = one.link;
      yield one;
    }
    if (read?.position !== lastPosition || read.hash.toString("hex") !== lastHash) {
      throw new AuditError("segments", `segment ${number} is not the one that the ledger knows`, {
        position: first,
      });
    }
    last = lastPosition;
  }
}

function readPacked(stateFolder: string, [number, first, , , , fileHash]: SegmentRow): Buffer {
  const path = segmentPath(stateFolder, number);
  if (!existsSync(path)) {
    throw new AuditError("segments", `${path} is missing; put it back to verify what is in it`, {
      position: first,
    });
  }
  const packed = readFileSync(path);
  const found = createHash("sha256").update(packed).digest("hex");
  if (found === fileHash) return packed;
  throw new AuditError("segments", `${path} was changed`, { position: first, expected: fileHash, found });
}

/** The last link that was moved; `NO_HEAD` when none was. */
export function movedThrough(database: DatabaseSync): Head {
  const last = readSegments(database).at(-1);
  if (last === undefined) return NO_HEAD;
  const [, , position, sequence, hash] = last;
  // The link itself stays in the table: the next one is computed from it.
  const anchor = new LinkReader(database).at(position);
  if (anchor === null || anchor.hash.toString("hex") !== hash || anchor.sequence !== sequence) {
    throw new AuditError("segments", "the last link that was moved is not in the ledger as it was", {
      position,
      expected: hash,
      found: anchor?.hash.toString("hex") ?? "none",
    });
  }
  return anchor;
}

/** What of moved links still stands in the tables has to be what stands in the files. */
export class Leftovers {
  readonly #reader: LinkReader;
  readonly #entries: Iterator<EntryRow>;
  readonly #administration;
  /** Null when there is none any more. */
  #next: EntryRow | null;
  #before: Head = NO_HEAD;
  #link: Link = { ...NO_HEAD, kind: "genesis", count: 0 };

  constructor(database: DatabaseSync, { sequence }: Head) {
    this.#reader = new LinkReader(database);
    this.#entries = prepareEntryRows(database).iterate(
      -Number.MAX_SAFE_INTEGER,
      sequence,
    ) as unknown as Iterator<EntryRow>;
    this.#administration = database.prepare(
      "SELECT version, at_us, kind, record FROM administration WHERE version = ?",
    );
    this.#administration.setReturnArrays(true);
    this.#next = this.#entries.next().value as EntryRow | null;
  }

  record(link: Link, record: RecordRead): void {
    if (link !== this.#link) this.#compareLink(link);
    const { kind, position } = link;
    if (kind === "entries" || kind === "genesis") return this.#compareEntry(record, position);
    if (isAdministrative(kind)) {
      const row = this.#administration.get(record.row()[0] as number) as unknown as
        | AdministrationRow
        | undefined;
      const found = row === undefined ? "none" : administrationLine(row);
      // It was moved, too, but stays: what limits and keys are compared with.
      if (found !== record.line) fail("administration", position, record.line, found);
    }
    if (kind === "checkpoint") {
      const found = this.#reader.checkpointLine(position, this.#before);
      if (found !== null && found !== record.line) fail("checkpoints", position, record.line, found);
    }
  }

  /** Nothing was moved that comes after. */
  end(): void {
    if (this.#next !== null) fail("entries", null, "none", entryLine(this.#next));
  }

  #compareLink(link: Link): void {
    this.#before = this.#link;
    this.#link = link;
    const { position, kind, sequence, version, count, hash } = link;
    const row = this.#reader.at(position);
    if (row === null) return;
    const [expected, found] = [link, row].map((one) =>
      JSON.stringify({ ...one, hash: one.hash.toString("hex") }),
    );
    const isSame =
      row.kind === kind && row.sequence === sequence && row.version === version && row.count === count;
    if (!isSame || !row.hash.equals(hash)) fail("chain", position, expected!, found!);
  }

  #compareEntry({ line, row }: RecordRead, position: number): void {
    const next = this.#next;
    const [sequence, overage] = [row()[0] as number, row()[OVERAGE]];
    if (next === null || next[0] > sequence) {
      // Reports add those up.
      if (overage !== null) fail("entries", position, line, "none");
      return;
    }
    const found = entryLine(next);
    if (found !== line) fail("entries", position, line, found);
    this.#next = this.#entries.next().value as EntryRow | null;
  }
}

function fail(check: string, position: number | null, expected: string, found: string): never {
  const message = "what was moved to a segment is left in the ledger as something else";
  throw new AuditError(check, message, { position, expected, found });
}
