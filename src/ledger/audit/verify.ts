import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { TrackedWindow } from "../../core/budget/accounts.ts";
import type { KeptEntryRow } from "../entry-fields.ts";
import { consistently } from "../transaction.ts";
import { readZones } from "../zone-table.ts";
import { AuditFile, linesOfFile } from "./audit-file.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { compareSummary, type SummaryCounts } from "./compare-summary.ts";
import { compareTables, findSnapshot, findUncovered, type TableCounts } from "./compare-tables.ts";
import { NO_HEAD } from "./link.ts";
import { AuditError, guarded, type Problem } from "./problem.ts";
import { LinkReader, readSegments } from "./read-links.ts";
import { Replay } from "./replay.ts";
import { Leftovers, linksOfSegments, movedThrough } from "./segments.ts";
import type { Verifier } from "./signing-key.ts";
import { Walk } from "./walk.ts";

export interface VerifyOptions {
  /** Whose signatures count. */
  verifiers: readonly Verifier[];
  /** A checkpoint that was kept elsewhere. */
  kept: Checkpoint | null;
  /** Whether a ledger that nobody has signed is wrong; an export always is. */
  mustBeSigned?: boolean;
  /** Told now and then of how many entries there are so far, and in all; null where that is not known. */
  onProgress?: (entries: number, all: number | null) => void;
}

/** What was looked at, as far as it went, and what was wrong first. */
export interface Verdict {
  problem: Problem | null;
  /** How far the chain is right; null where it could not be begun. */
  walk: Pick<Walk, "head" | "links" | "entries" | "unsigned" | "signedThrough"> | null;
  segments: number | null;
  summary: SummaryCounts | null;
  tables: TableCounts | null;
}

/** A call to `onProgress` for so many entries. */
const ENTRIES_PER_REPORT = 50_000;

/**
 * Reads everything from the first entry on, as of one commit, and compares what it finds with everything else that the
 * file says. Memory for accounts and open holds, not for entries. While it runs, SQLite's write-ahead log grows.
 */
export function verifyLedger(database: DatabaseSync, options: VerifyOptions): Verdict {
  const { onProgress } = options;
  return consistently(database, () => {
    const verdict = newVerdict();
    return judge(verdict, () => {
      findSnapshot(database);
      const start = readStart(database);
      const replay = new Replay(start, database);
      let leftovers: Leftovers | null = null;
      const compareAt = (sequence: number): void => {
        if (sequence === start.summedUp) verdict.summary = compareSummary(database, replay);
      };
      compareAt(0);
      const walk = new Walk({
        ...options,
        from: NO_HEAD,
        listener: {
          digest: () => replay.digest(),
          record: (link, record) => leftovers?.record(link, record),
          entry: (row: KeptEntryRow) => {
            replay.apply(row);
            if (row[0] % ENTRIES_PER_REPORT === 0) onProgress?.(row[0], start.entries);
            compareAt(row[0]);
          },
        },
      });
      verdict.walk = walk;
      const moved = movedThrough(database);
      const segments = readSegments(database);
      if (segments.length > 0) {
        leftovers = new Leftovers(database, moved);
        const folder = dirname(database.location()!);
        for (const link of linksOfSegments(folder, segments)) walk.take(link);
        leftovers.end();
        leftovers = null;
      }
      verdict.segments = segments.length;
      for (const link of new LinkReader(database).after(moved)) walk.take(link);
      if (walk.head.position === 0)
        throw new AuditError("chain", "there is no chain", { expected: "a genesis link" });
      walk.end();
      findUncovered(database, walk.head);
      if (verdict.summary === null) {
        throw new AuditError("snapshot", "it is about no entry", { found: String(start.summedUp) });
      }
      verdict.tables = compareTables(database);
      checkFile(database);
      if (options.mustBeSigned === true && walk.signedThrough === null) throw notSigned(walk);
      walk.unattributed.end();
    });
  });
}

/**
 * Of rows that are not in the order of their keys SQLite finds others than there are, one account's for another's, or more of
 * them: what was read above, and what a supervisor reads, is right only where the file is.
 */
function checkFile(database: DatabaseSync): void {
  const row = guarded("file", null, () => database.prepare("PRAGMA integrity_check(1)").get()!);
  const found = row["integrity_check"] as string;
  if (found === "ok") return;
  throw new AuditError("file", "SQLite finds that it is damaged", { expected: "ok", found });
}

/** What an export says of itself: that nothing in it was changed or left out since it was signed, as all of it has to be. */
export function verifyExport(path: string, options: VerifyOptions): Verdict {
  const verdict = newVerdict();
  return judge(verdict, () => {
    const file = new AuditFile(linesOfFile(path));
    // One that begins later says nothing of what was before.
    const replay = file.after.position === 0 ? new Replay({ zones: [], tracked: [] }, null) : null;
    const walk = new Walk({
      ...options,
      from: file.after,
      listener: {
        digest: () => replay?.digest() ?? null,
        entry: (row) => {
          replay?.apply(row);
          if (row[0] % ENTRIES_PER_REPORT === 0) options.onProgress?.(row[0], null);
        },
      },
    });
    verdict.walk = walk;
    for (const link of file.links()) walk.take(link);
    if (file.closing !== null) walk.close(file.closing);
    walk.end();
    if (walk.signedThrough === null || walk.unsigned > 0) throw notSigned(walk);
    walk.unattributed.end();
  });
}

/** Hashes alone are computed anew by whoever wants to. */
export function notSigned({ head, signedThrough }: Pick<Walk, "head" | "signedThrough">): AuditError {
  const what = signedThrough === null ? "nothing here" : `nothing after link ${signedThrough}`;
  return new AuditError("signature", `${what} is signed: it proves nothing against whoever made it`, {
    expected: `a signature under link ${head.position}`,
    found: "none",
  });
}

interface Start {
  zones: ReturnType<typeof readZones>;
  tracked: TrackedWindow[];
  /** The last entry that the balances in the file include. */
  summedUp: number;
  entries: number;
}

function readStart(database: DatabaseSync): Start {
  const one = (sql: string): number =>
    (Object.values(database.prepare(sql).get() ?? { last: 0 })[0] ?? 0) as number;
  return {
    zones: readZones(database),
    tracked: database.prepare("SELECT account, window FROM tracked").all() as unknown as TrackedWindow[],
    summedUp: one("SELECT sequence FROM snapshot"),
    entries: one("SELECT max(sequence) FROM entries"),
  };
}

export function newVerdict(): Verdict {
  return { problem: null, walk: null, segments: null, summary: null, tables: null };
}

/** Whatever goes wrong is what the verdict says. */
export function judge(verdict: Verdict, work: () => void): Verdict {
  try {
    guarded("ledger", null, work);
  } catch (error) {
    verdict.problem = (error as AuditError).problem;
  }
  return verdict;
}
