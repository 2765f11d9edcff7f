import type { DatabaseSync } from "node:sqlite";
import type { Head } from "./link.ts";
import { AuditError, guarded } from "./problem.ts";
import { RECORDED, recordOf, TRIGGERS } from "./schema.ts";

/** What was compared. */
export interface TableCounts {
  limits: number;
  keys: number;
  zones: number;
}

/** Limits, keys and time zones have to be what the records say that they became; throws an `AuditError`. */
export function compareTables(database: DatabaseSync): TableCounts {
  compareTriggers(database);
  for (const { check, expected, found } of COMPARISONS) {
    guarded(check, null, () => {
      const missing = firstOf(database, `${expected} EXCEPT ${found}`);
      const extra = firstOf(database, `${found} EXCEPT ${expected}`);
      if (missing === null && extra === null) return;
      throw new AuditError(check, "a row is not what was recorded when it was written", {
        expected: missing ?? "none",
        found: extra ?? "none",
      });
    });
  }
  const count = (table: string): number => {
    return database.prepare(`SELECT count(*) AS rows FROM ${table}`).get()!["rows"] as number;
  };
  return { limits: count("limit_changes"), keys: count("keys"), zones: count("zones") };
}

/** Without them, nothing would be recorded from now on. */
function compareTriggers(database: DatabaseSync): void {
  const rows = guarded("triggers", null, () => {
    return database.prepare("SELECT sql FROM sqlite_schema WHERE type = 'trigger'").all();
  });
  const found = rows.map(({ sql }) => sql as string);
  const missing = TRIGGERS.find((sql) => !found.includes(sql));
  const extra = found.find((sql) => !TRIGGERS.includes(sql));
  if (missing === undefined && extra === undefined) return;
  throw new AuditError(
    "triggers",
    "what records changes of limits, keys and time zones is not as it was made",
    {
      expected: missing ?? "no other",
      found: extra ?? "none",
    },
  );
}

interface Comparison {
  check: string;
  /** SQL for one column of text. */
  expected: string;
  found: string;
}

const COMPARISONS: readonly Comparison[] = [
  {
    check: "limit changes",
    expected: "SELECT record FROM administration WHERE kind = 'limit'",
    found: `SELECT ${recordOf(RECORDED.limit)} FROM limit_changes`,
  },
  {
    check: "limits",
    expected: `SELECT json_array(account, unit, window, amount_after, thresholds_after, version) FROM limit_changes
      WHERE version IN (SELECT max(version) FROM limit_changes GROUP BY account, unit, window)`,
    found: "SELECT json_array(account, unit, window, amount, thresholds, version) FROM limits",
  },
  {
    check: "keys",
    expected: `SELECT record FROM administration WHERE version IN (
      SELECT max(version) FROM administration WHERE kind = 'key' GROUP BY record ->> 0)`,
    found: `SELECT ${recordOf(RECORDED.key)} FROM keys`,
  },
  {
    check: "time zones",
    expected: "SELECT record FROM administration WHERE kind = 'zone'",
    found: `SELECT ${recordOf(RECORDED.zone)} FROM zones`,
  },
];

function firstOf(database: DatabaseSync, sql: string): string | null {
  const row = database.prepare(`SELECT * FROM (${sql}) LIMIT 1`).get();
  return row === undefined ? null : String(Object.values(row)[0]);
}

/** Without it, nothing else that the file says it adds up to can be read. */
export function findSnapshot(database: DatabaseSync): void {
  const row = guarded("snapshot", null, () =>
    database.prepare("SELECT sequence FROM snapshot WHERE only_row = 1").get(),
  );
  if (row !== undefined) return;
  throw new AuditError("snapshot", "the row that says how far balances are added up was deleted", {
    expected: "one row in the table snapshot",
    found: "none",
  });
}

/** Nothing may stand beside the chain that it does not cover. */
export function findUncovered(database: DatabaseSync, { position, sequence, version }: Head): void {
  const beyond: [check: string, sql: string, last: number][] = [
    ["entries", "SELECT max(sequence) AS last FROM entries", sequence],
    ["administration", "SELECT max(version) AS last FROM administration", version],
    ["checkpoints", "SELECT max(position) AS last FROM checkpoints", position],
    ["segments", "SELECT max(position) AS last FROM segments", position],
    ["snapshot", "SELECT sequence AS last FROM snapshot", sequence],
  ];
  for (const [check, sql, covered] of beyond) {
    guarded(check, null, () => {
      const last = database.prepare(sql).get()?.["last"] as number | null | undefined;
      if ((last ?? 0) <= covered) return;
      const [expected, found] = [`nothing after ${covered}`, String(last)];
      throw new AuditError(check, "there is something that the chain does not cover", {
        position,
        expected,
        found,
      });
    });
  }
  strays(database, "checkpoints", "checkpoint");
  strays(database, "segments", "segment");
}

/** Rows of which the chain knows nothing, between those it does know. */
function strays(database: DatabaseSync, table: string, kind: string): void {
  const row = database
    .prepare(
      `SELECT position FROM ${table} WHERE position >= (SELECT min(position) FROM chain)
         AND position NOT IN (SELECT position FROM chain WHERE kind = '${kind}') LIMIT 1`,
    )
    .get();
  if (row === undefined) return;
  throw new AuditError(table, "there is something that the chain does not cover", {
    position: row["position"] as number,
  });
}
