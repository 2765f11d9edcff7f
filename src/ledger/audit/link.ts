import { createHash, type Hash } from "node:crypto";
import { type EntryRow, FIELDS_PER_ENTRY, PLAIN_FIELDS } from "../entry-fields.ts";

/**
 * - `genesis`: entries that were there before the chain began; the first link is one, if of none;
 * - `entries`: a group of ledger entries, as it was written;
 * - `administration`: limits, keys and time zones, in the transaction of Headgate's own that changed them;
 * - `unattributed`: the same, found afterwards: something other than Headgate has written them;
 * - `checkpoint`: a signature under the link before it;
 * - `segment`: that older links were moved to a file.
 */
export type LinkKind = (typeof LINK_KINDS)[number];

export const LINK_KINDS = [
  "genesis",
  "entries",
  "administration",
  "unattributed",
  "checkpoint",
  "segment",
] as const;

/** One link of the chain: it covers `count` records, and with them everything before. */
export interface Link {
  /** Counted from 1 without gaps. */
  position: number;
  kind: LinkKind;
  /** The last entry that is covered so far. */
  sequence: number;
  /** The last administrative record that is covered so far. */
  version: number;
  count: number;
  hash: Buffer;
}

/** Where the chain stands; before the first link, nowhere. */
export type Head = Pick<Link, "position" | "sequence" | "version" | "hash">;

export const HASH_BYTES = 32;
export const NO_HEAD: Head = { position: 0, sequence: 0, version: 0, hash: Buffer.alloc(HASH_BYTES) };

/** More are told in several links: whoever reads one has room for it. */
export const RECORDS_PER_LINK_MAX = 65_536;

/**
 * Hash of a link, in bytes:
 *
 * ```
 *   SHA-256( hash of the link before ‖ header ‖ "\n" ‖ record ‖ "\n" ‖ … ‖ record ‖ "\n" )
 *
 *   header   [position,"kind",sequence,version,count]
 *   record   a JSON array, see below
 * ```
 *
 * All is UTF-8, as `JSON.stringify` writes it: no spaces, whole numbers as decimals, nothing escaped that need not be.
 */
export class LinkHash {
  readonly #hash: Hash = createHash("sha256");

  constructor(before: Buffer, link: Omit<Link, "hash">) {
    this.#hash.update(before);
    this.#hash.update(headerLine(link));
  }

  /** Lines of records, each with its line feed. */
  update(lines: string): void {
    this.#hash.update(lines);
  }

  digest(): Buffer {
    return this.#hash.digest();
  }
}

function headerLine({ position, kind, sequence, version, count }: Omit<Link, "hash">): string {
  return `${JSON.stringify([position, kind, sequence, version, count])}\n`;
}

/**
 * The record of an entry: its fields in the order of `EntryRow`, the account by its path. Those that ledgers of version 2
 * did not have end it only where they say something, so that what was hashed then is hashed the same for ever.
 */
export function entryLine(row: EntryRow): string {
  return JSON.stringify(row.slice(0, told(row)));
}

/** How many of the fields say something. */
function told(row: EntryRow): number {
  const [gpuUs, parts] = row.slice(PLAIN_FIELDS);
  if (parts !== null) return FIELDS_PER_ENTRY;
  return gpuUs === 0 ? PLAIN_FIELDS : PLAIN_FIELDS + 1;
}

/** What else there is to record. */
export type AdministrationRow = [version: number, atUs: number, kind: string, record: string];

export function administrationLine(row: AdministrationRow): string {
  return JSON.stringify(row);
}

/** Whether links of that kind cover administrative records. */
export function isAdministrative(kind: LinkKind): boolean {
  return kind === "administration" || kind === "unattributed";
}

/** A file that links were moved to: its number, the links in it, the last entry, the last link's hash and the file's, in hex. */
export type SegmentRow = [
  number: number,
  first: number,
  last: number,
  sequence: number,
  lastHash: string,
  fileHash: string,
];

export function segmentLine(row: SegmentRow): string {
  return JSON.stringify(row);
}
