import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Micros } from "../../core/units.ts";
import { isWithin } from "../../keys/account-path.ts";
import { type EntryRow, type KeptEntryRow, PLAIN_FIELDS } from "../entry-fields.ts";
import { auditLines } from "./audit-file.ts";
import { signCheckpoint } from "./checkpoint.ts";
import { type Head, isAdministrative, type Link, NO_HEAD } from "./link.ts";
import { LinkReader, type LinkRead, readSegments, type RecordRead } from "./read-links.ts";
import { AuditError } from "./problem.ts";
import { linksOfSegments, movedThrough } from "./segments.ts";
import type { Signer, Verifier } from "./signing-key.ts";
import { Walk } from "./walk.ts";

export interface ExportQuery {
  /** Entries of `[fromUs, untilUs)`; null for no bound. */
  fromUs: Micros | null;
  untilUs: Micros | null;
  /** Only what was spent by it or below it; null for all. */
  account: string | null;
}

/** Who signs an export, and what has to hold before. */
export interface ExportSigning {
  /** Null where there is no key: it is not signed then. */
  signer: Signer | null;
  /** Whose signatures count in the ledger. */
  verifiers: readonly Verifier[];
  /** Told of what is wrong in the ledger: the rest of it is exported, and not signed. */
  onProblem: (error: AuditError) => void;
}

const ENTRY_COLUMNS = [
  "sequence",
  "at",
  "operation",
  "hold",
  "account",
  "nano_usd",
  "input_tokens",
  "output_tokens",
  "requests",
  "held_at",
  "in_doubt",
  "overage",
  "model",
  "cached_tokens",
  "reasoning_tokens",
  "gpu_us",
  "parts",
] as const;

/**
 * The links that cover entries of that time, whole, and what lies between them: enough to verify them by. The last one
 * is signed, which vouches for all before it; so all before it is looked at, from the first link on. Lines without their
 * line feed.
 */
export function* exportLinks(
  database: DatabaseSync,
  query: Omit<ExportQuery, "account">,
  { signer, verifiers, onProblem }: ExportSigning,
): Generator<string> {
  let before: Head = NO_HEAD;
  let isRight = true;
  const walk = new Walk({ from: NO_HEAD, verifiers, kept: null, listener: { digest: () => null } });
  const checked = checkedLinks(allLinks(database), walk, (error) => {
    isRight = false;
    onProblem(error);
  });
  const links = within(checked, query, (head) => (before = head));
  const first = links.next();
  yield* auditLines(before, first.done === true ? [] : withFirst(first.value, links), (last) => {
    return isRight && signer !== null ? signCheckpoint(last, { balances: null, signer }) : null;
  });
}

/** The same links; what is wrong with them is told once. */
function* checkedLinks(
  links: Iterable<LinkRead>,
  walk: Walk,
  onProblem: (error: AuditError) => void,
): Generator<LinkRead> {
  let isRight = true;
  for (const { link, records } of links) {
    // They can be read once, and are needed twice.
    const read = { link, records: [...records] };
    try {
      if (isRight) walk.take(read);
    } catch (error) {
      if (!(error instanceof AuditError)) throw error;
      isRight = false;
      onProblem(error);
    }
    yield read;
  }
}

/** Entries alone, as JSON objects a line or as CSV with a header. They can't be verified by themselves. */
export function* exportEntries(
  database: DatabaseSync,
  { fromUs, untilUs, account, format }: ExportQuery & { format: "jsonl" | "csv" },
): Generator<string> {
  if (format === "csv") yield ENTRY_COLUMNS.join(",");
  for (const { link, records } of allLinks(database)) {
    if (link.kind !== "entries" && link.kind !== "genesis") continue;
    for (const record of records) {
      const row = whole(record.row() as KeptEntryRow);
      const [, atUs, , , owner] = row;
      if (fromUs !== null && atUs < fromUs) continue;
      // Entries of several supervisors are not quite in the order of time: earlier ones may follow.
      if (untilUs !== null && atUs >= untilUs) continue;
      if (account !== null && !isWithin(owner, account)) continue;
      yield format === "csv" ? csvLine(row) : JSON.stringify(objectOf(row));
    }
  }
}

function* allLinks(database: DatabaseSync): Generator<LinkRead> {
  const segments = readSegments(database);
  if (segments.length > 0) yield* linksOfSegments(dirname(database.location()!), segments);
  yield* new LinkReader(database).after(movedThrough(database));
}

/** From the first link with an entry of that time to the last one; `onBefore` is told of the link before the first. */
function* within(
  links: Iterable<LinkRead>,
  { fromUs, untilUs }: Omit<ExportQuery, "account">,
  onBefore: (head: Head) => void,
): Generator<LinkRead> {
  let isBegun = fromUs === null;
  let before: Head = NO_HEAD;
  for (const { link, records } of links) {
    const isBounded = (!isBegun || untilUs !== null) && !isAdministrative(link.kind);
    const kept = isBounded ? [...records] : records;
    const [firstUs, lastUs] = isBounded ? span(link, kept as RecordRead[]) : [null, null];
    if (untilUs !== null && firstUs !== null && firstUs >= untilUs) return;
    if (!isBegun && lastUs !== null && lastUs >= fromUs!) {
      isBegun = true;
      onBefore(before);
    }
    if (isBegun) yield { link, records: kept };
    before = link;
  }
}

/** When the first and the last of its entries were; null where it has none. */
function span({ kind }: Link, records: readonly RecordRead[]): [first: Micros | null, last: Micros | null] {
  if (records.length === 0 || (kind !== "entries" && kind !== "genesis")) return [null, null];
  return [records[0]!.row()[1] as Micros, records.at(-1)!.row()[1] as Micros];
}

function* withFirst<T>(first: T, rest: Iterable<T>): Generator<T> {
  yield first;
  yield* rest;
}

/** What is not told at its end says nothing. */
function whole(row: KeptEntryRow): EntryRow {
  const { [PLAIN_FIELDS]: gpuUs = 0, [PLAIN_FIELDS + 1]: parts = null } = row;
  return [...row.slice(0, PLAIN_FIELDS), gpuUs, parts] as EntryRow;
}

function objectOf(row: EntryRow): Record<string, unknown> {
  return Object.fromEntries(ENTRY_COLUMNS.map((column, i) => [column, readable(column, row[i]!)]));
}

function csvLine(row: EntryRow): string {
  return ENTRY_COLUMNS.map((column, i) => {
    const value = readable(column, row[i]!);
    const text = typeof value === "object" ? textOf(value) : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }).join(",");
}

function textOf(value: object | null): string {
  return value === null ? "" : JSON.stringify(value);
}

/** Times as ISO 8601 to the millisecond, which the ledger's clock counts in. */
function readable(column: string, value: string | number | null): string | number | boolean | object | null {
  if (column === "at" || column === "held_at") return new Date((value as number) / 1_000).toISOString();
  if (column === "in_doubt") return value === 1;
  if (column === "overage" || column === "parts")
    return value === null ? null : (JSON.parse(value as string) as object);
  return value;
}
