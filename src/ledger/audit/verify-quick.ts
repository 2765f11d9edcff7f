import type { DatabaseSync } from "node:sqlite";
import { pathOf } from "../../core/budget/paths.ts";
import type { Sum } from "../../core/budget/limits.ts";
import { add, addSum, newBalance, newSum, rowOf, sumOf } from "../../core/budget/sums.ts";
import { type KeptEntryRow, toEntry } from "../entry-fields.ts";
import { readState } from "../restore.ts";
import { consistently } from "../transaction.ts";
import { type Checkpoint, digestOf, parseCheckpointLine } from "./checkpoint.ts";
import { compareTables, findSnapshot, findUncovered } from "./compare-tables.ts";
import { type Head, NO_HEAD } from "./link.ts";
import { AuditError } from "./problem.ts";
import { LinkReader } from "./read-links.ts";
import { movedThrough } from "./segments.ts";
import { judge, newVerdict, notSigned, type Verdict, type VerifyOptions } from "./verify.ts";
import { checkSignature, Walk } from "./walk.ts";

/**
 * Goes along the chain from the last checkpoint that says what the ledger added up to, and reckons back: the balances of
 * now, less what was posted since, have to be those that were signed. It costs what was done since, and a look at every
 * account; of what was before, it believes the signature.
 */
export function verifyQuickly(database: DatabaseSync, options: VerifyOptions): Verdict {
  return consistently(database, () => {
    const verdict = newVerdict();
    return judge(verdict, () => {
      findSnapshot(database);
      const moved = movedThrough(database);
      const { from, balances } = readBase(database, moved, options);
      const since = new Map<string, Sum>();
      const entry = (row: KeptEntryRow): void => countPosted(since, row);
      const { kept } = options;
      if (kept !== null && kept.position < from.position) compareEarlier(database, moved, options);
      const isLater = kept === null || kept.position >= from.position;
      const walk = new Walk({
        ...options,
        kept: isLater ? kept : null,
        from,
        listener: { entry, digest: () => null },
      });
      verdict.walk = walk;
      for (const link of new LinkReader(database).after(from)) walk.take(link);
      walk.end();
      findUncovered(database, walk.head);
      compareBalances(database, since, { position: from.position, balances });
      verdict.tables = compareTables(database);
      if (options.mustBeSigned === true && walk.signedThrough === null) throw notSigned(walk);
      walk.unattributed.end();
    });
  });
}

interface Base {
  from: Head;
  balances: string;
}

/** The link under the latest checkpoint with balances; the beginning, of nothing, where there was none yet. */
function readBase(database: DatabaseSync, moved: Head, { verifiers }: VerifyOptions): Base {
  const reader = new LinkReader(database);
  const row = database
    .prepare("SELECT max(position) AS last FROM checkpoints WHERE balances IS NOT NULL")
    .get()!;
  const position = row["last"] as number | null;
  if (position === null && moved.position === 0) return { from: NO_HEAD, balances: digestOf([]) };
  const from = position === null ? null : reader.at(position - 1);
  const line = from === null ? null : reader.checkpointLine(position!, from);
  if (from === null || line === null) {
    throw new AuditError(
      "checkpoints",
      "no checkpoint says what the ledger added up to; verify without --quick",
    );
  }
  const checkpoint = parseCheckpointLine(line);
  checkSignature(checkpoint, verifiers, position);
  return { from, balances: checkpoint.balances! };
}

/** A link that the walk does not come by. */
function compareEarlier(database: DatabaseSync, moved: Head, { kept, verifiers }: VerifyOptions): void {
  const { position, hash, ...checkpoint } = kept!;
  checkSignature({ position, hash, ...checkpoint }, verifiers, null);
  const found = new LinkReader(database).at(position)?.hash.toString("hex") ?? null;
  if (found === hash || (found === null && position < moved.position)) return;
  const message = "the chain is another one than when the checkpoint was made: it was computed anew";
  throw new AuditError("kept checkpoint", message, { position, expected: hash, found });
}

function countPosted(since: Map<string, Sum>, row: KeptEntryRow): void {
  const { operation, account, charge } = toEntry(row);
  if (operation !== "post" && operation !== "adjust") return;
  for (const name of pathOf(account)) {
    let sum = since.get(name);
    if (sum === undefined) since.set(name, (sum = newSum()));
    add(sum, charge, -1);
  }
}

function compareBalances(
  database: DatabaseSync,
  since: ReadonlyMap<string, Sum>,
  { position, balances: expected }: Pick<Checkpoint, "position" | "balances">,
): void {
  const totals = readState(database).balances.filter(({ window }) => window === "total");
  const before = totals.map((row) => {
    const { posted, held } = newBalance();
    addSum(posted, sumOf(row));
    addSum(posted, since.get(row.account) ?? newSum());
    return rowOf(row, { posted, held });
  });
  const found = digestOf(before);
  if (found === expected) return;
  const message = "the balances, less what was posted since, are not those that were signed";
  throw new AuditError("balances", message, { position, expected, found });
}
