/**
 * Tables of the audit.
 *
 * `chain` has a row for each link: `sequence` and `version` are the last entry and the last administrative record that it
 * or one before it covers, `count` how many records it covers itself. `administration` is what was done besides spending,
 * as a JSON array of each row that was written to `limit_changes`, `keys` or `zones`: the triggers see to it, whoever
 * writes, so that what was overwritten there stands here. `checkpoints` are signed, by the position of the link that
 * carries them; `balances` is null in those that were made while somebody waited. `segments` are the files that older
 * links were moved to.
 */
export const AUDIT_SCHEMA = `
  CREATE TABLE chain (
    position INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    version INTEGER NOT NULL,
    count INTEGER NOT NULL,
    hash BLOB NOT NULL
  ) STRICT;

  CREATE TABLE administration (
    version INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT;

  CREATE TABLE checkpoints (
    position INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    balances BLOB,
    key TEXT NOT NULL,
    signature BLOB NOT NULL
  ) STRICT;

  CREATE TABLE segments (
    number INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    first_position INTEGER NOT NULL,
    last_position INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    last_hash BLOB NOT NULL,
    file_hash BLOB NOT NULL
  ) STRICT;
`;

/** How a row is recorded: the columns, as a JSON array. */
export const RECORDED = {
  limit: {
    table: "limit_changes",
    columns: [
      "version",
      "at_us",
      "changed_by",
      "account",
      "unit",
      "window",
      "amount_before",
      "amount_after",
      "thresholds_before",
      "thresholds_after",
    ],
  },
  key: {
    table: "keys",
    columns: ["account", "role", "hash", "start", "created_us", "disabled_us", "version", "tenant", "name"],
  },
  zone: { table: "zones", columns: ["zone", "from_us", "ahead_us"] },
} as const satisfies Record<string, { table: string; columns: readonly string[] }>;

/** SQL for the record of a row; `prefix` is such as `new.`. */
export function recordOf({ columns }: { columns: readonly string[] }, prefix = ""): string {
  return `json_array(${columns.map((column) => prefix + column).join(", ")})`;
}

/** SQL for this machine's time, in µs. */
const NOW_US = "CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000";

/** Rows are added to, or changed in place: whatever a row has come to be is recorded. */
const OCCASIONS = {
  limit: ["INSERT"],
  key: ["INSERT", "UPDATE"],
  zone: ["INSERT"],
} as const satisfies Record<keyof typeof RECORDED, readonly string[]>;

const INSERT = "INSERT INTO administration (at_us, kind, record)";

/** SQL that records what is there already. */
export const RECORD_ALL: readonly string[] = Object.entries(RECORDED).map(([kind, recorded]) => {
  return `${INSERT} SELECT ${NOW_US}, '${kind}', ${recordOf(recorded)} FROM ${recorded.table}`;
});

/** SQL of the triggers, as it stands in the file. */
export const TRIGGERS: readonly string[] = Object.entries(OCCASIONS).flatMap(([kind, occasions]) => {
  const recorded = RECORDED[kind as keyof typeof RECORDED];
  return occasions.map((occasion) => {
    const name = `record_${kind}_${occasion.toLowerCase()}`;
    const record = `${INSERT} VALUES (${NOW_US}, '${kind}', ${recordOf(recorded, "new.")})`;
    return `CREATE TRIGGER ${name} AFTER ${occasion} ON ${recorded.table} BEGIN ${record}; END`;
  });
});
