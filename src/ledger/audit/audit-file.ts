import { closeSync, openSync, readSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Checkpoint } from "./checkpoint.ts";
import type { Head, Link, LinkKind } from "./link.ts";
import { type LinkRead, recordOf, type RecordRead } from "./read-links.ts";

/**
 * Links as text, in an export and in a segment: one JSON value a line.
 *
 * ```
 *   {"format":"headgate-audit-1","after":{"position":0,"sequence":0,"version":0,"hash":"00…"}}
 *   {"link":[1,"genesis",0,0,0],"hash":"5f…"}
 *   {"link":[2,"entries",2,0,2],"hash":"a7…"}
 *   [1,1767268800000000,"reserve",…]                  as many records as the link counts, as they are hashed
 *   [2,1767268800100000,"post",…]
 *   {"checkpoint":{"position":2,…,"signature":"9c…"}}      of an export: signs the last link, and so all before it
 *   {"end":{"links":2}}
 * ```
 */
const FORMAT = "headgate-audit-1";

/** Of a text in pieces, and of a line; records are some hundred bytes. */
const PIECE_BYTES = 1_048_576;
const LINE_BYTES_MAX = 64 * 1_048_576;
/** Of a segment when it is unpacked; twice what one is cut at. */
const UNPACKED_BYTES_MAX = 512 * 1_048_576;
const LINE_FEED = 10;

/** `sign` is asked for a signature under the last link, where there is one. */
export function* auditLines(
  after: Head,
  links: Iterable<LinkRead>,
  sign: (last: Head) => Checkpoint | null = () => null,
): Generator<string> {
  const { position, sequence, version, hash } = after;
  yield JSON.stringify({
    format: FORMAT,
    after: { position, sequence, version, hash: hash.toString("hex") },
  });
  let count = 0;
  let last: Head | null = null;
  for (const { link, records } of links) {
    count += 1;
    last = link;
    yield JSON.stringify({
      link: [link.position, link.kind, link.sequence, link.version, link.count],
      hash: link.hash.toString("hex"),
    });
    for (const { line } of records) yield line;
  }
  const checkpoint = last === null ? null : sign(last);
  if (checkpoint !== null) yield JSON.stringify({ checkpoint });
  yield JSON.stringify({ end: { links: count } });
}

/** Reads what `auditLines` has written; throws an `Error` for anything else, and where it was cut off. */
export class AuditFile {
  readonly after: Head;
  /** The signature under the last link, once all links were read; null where there is none. */
  closing: Checkpoint | null = null;
  readonly #lines: Iterator<string>;

  constructor(lines: Iterable<string>) {
    this.#lines = lines[Symbol.iterator]();
    const { format, after } = this.#object() as { format?: string; after?: Head & { hash: unknown } };
    if (format !== FORMAT || after === undefined) {
      throw new Error(
        `it does not begin as an audit (${FORMAT}) does; only exports as jsonl without --account can be verified`,
      );
    }
    this.after = { ...after, hash: Buffer.from(String(after.hash), "hex") };
  }

  *links(): Generator<LinkRead> {
    for (let count = 0; ; count++) {
      const object = this.#object() as { checkpoint?: Checkpoint };
      const { checkpoint } = object;
      if (checkpoint !== undefined) this.closing = checkpoint;
      const { link, hash, end } = (checkpoint === undefined ? object : this.#object()) as {
        link?: [number, LinkKind, number, number, number];
        hash?: string;
        end?: { links: number };
      };
      if (end !== undefined) {
        if (end.links !== count) throw new Error(`it says that it has ${end.links} links, and has ${count}`);
        if (this.#lines.next().done !== true) throw new Error("it goes on after its end");
        return;
      }
      if (link === undefined || hash === undefined) throw new Error("there is a line which is no link");
      const [position, kind, sequence, version, records] = link;
      const read: Link = {
        position,
        kind,
        sequence,
        version,
        count: records,
        hash: Buffer.from(hash, "hex"),
      };
      const covered = this.#records(records);
      yield { link: read, records: covered };
      // Whoever has no use for them leaves them.
      while (covered.next().done !== true);
    }
  }

  *#records(count: number): Generator<RecordRead> {
    for (let i = 0; i < count; i++) yield recordOf(this.#next());
  }

  #object(): object {
    const value = JSON.parse(this.#next()) as unknown;
    if (typeof value !== "object" || value === null) throw new Error("there is a line which is no object");
    return value;
  }

  #next(): string {
    const { value, done } = this.#lines.next();
    if (done === true) throw new Error("it ends before its end");
    return value;
  }
}

/** Lines of a file, however large. */
export function* linesOfFile(path: string): Generator<string> {
  const file = openSync(path, "r");
  try {
    yield* linesOf(piecesOf(file));
  } finally {
    closeSync(file);
  }
}

/** Lines of what was packed with gzip. */
export function linesOfPacked(packed: Buffer): Generator<string> {
  return linesOf([gunzipSync(packed, { maxOutputLength: UNPACKED_BYTES_MAX })]);
}

function* piecesOf(file: number): Generator<Buffer> {
  for (;;) {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    const length = readSync(file, piece);
    if (length === 0) return;
    yield piece.subarray(0, length);
  }
}

function* linesOf(pieces: Iterable<Buffer>): Generator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for (const piece of pieces) {
    const bytes: Buffer = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    let start = 0;
    for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
      yield bytes.toString("utf8", start, end);
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > LINE_BYTES_MAX) throw new Error("there is a line without end");
  }
  if (rest.length > 0) yield rest.toString("utf8");
}
