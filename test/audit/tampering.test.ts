import assert from "node:assert/strict";
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { type Checkpoint } from "../../src/ledger/audit/checkpoint.ts";
import { LINKS_PER_CHECKPOINT, takeCheckpoint } from "../../src/ledger/audit/chain.ts";
import { LinkHash, NO_HEAD, type Head } from "../../src/ledger/audit/link.ts";
import { type LinkRead, LinkReader } from "../../src/ledger/audit/read-links.ts";
import { keyPath, openSigner, publicKeyPem, verifierOf } from "../../src/ledger/audit/signing-key.ts";
import { ledgerPath } from "../../src/ledger/database.ts";
import { rotateKey } from "../../src/keys/key-table.ts";
import { audit, HOUR_US, SampleLedger, START_US } from "./sample-ledger.ts";

/** Every table whose rows are promised to stay as they are, and what of it counts. */
const AUDITED = {
  accounts: "1",
  entries: "1",
  chain: "1",
  checkpoints: "1",
  administration: "1",
  limit_changes: "1",
  limits: "1",
  keys: "1",
  zones: "1",
  usage: "1",
  snapshot: "1",
  // Windows that roll may count more than they should.
  balances: "window = 'total'",
};

/** Rows of a table, by how many come before. */
const PLACES = ["0", "count(*) / 2", "count(*) - 1"];

/** A ledger with everything in it, of which each test takes a copy. */
let original: string;
let kept: Checkpoint;
let copies = 0;

before(() => {
  using ledger = new SampleLedger();
  original = ledger.stateFolder;
  ledger.administer();
  ledger.spend(12);
  ledger.stop();
  kept = takeCheckpoint(ledger.database, openSigner(original));
  ledger.spend(4);
});
after(() => rmSync(dirname(original), { recursive: true }));

/** The folder of a copy to which that was done. */
function tampered(tamper: (database: DatabaseSync) => void): string {
  const folder = join(dirname(original), `copy-${copies++}`);
  cpSync(original, folder, { recursive: true });
  using database = new DatabaseSync(ledgerPath(folder), { enableForeignKeyConstraints: false });
  tamper(database);
  return folder;
}

function assertFound(folder: string, what: string, given: Parameters<typeof audit>[1] = {}): void {
  assert.notEqual(audit(folder, given).problem, null, `${what} was not found`);
  rmSync(folder, { recursive: true });
}

test("the copy itself is right", () => {
  const folder = tampered(() => {});
  for (const quick of [false, true]) assert.equal(audit(folder, { quick, kept }).problem, null);
});

describe("a value that was changed is found", () => {
  for (const [table, where] of Object.entries(AUDITED)) {
    test(`in ${table}`, () => {
      const columns = inOriginal((database) => {
        return database
          .prepare("SELECT name, type FROM pragma_table_info(?) WHERE name <> 'only_row'")
          .all(table);
      });
      assert(columns.length > 1);
      for (const { name, type } of columns as { name: string; type: string }[]) {
        const column = `"${name}"`;
        for (const place of PLACES) changeOne({ table, column, type, where, place });
      }
    });
  }
});

/** Changes one value of one row, and expects that to be found. */
function changeOne({
  table,
  column,
  type,
  where,
  place,
}: Record<"table" | "column" | "type" | "where" | "place", string>): void {
  let change = "";
  const folder = tampered((database) => {
    const at = database.prepare(`SELECT ${place} AS at FROM ${table} WHERE ${where}`).get()!["at"] as number;
    const key = keyOf(database, table);
    const row = database
      .prepare(
        `SELECT ${column} AS value, ${key} FROM ${table} WHERE ${where} ORDER BY ${key} LIMIT 1 OFFSET ?`,
      )
      .get(at)!;
    const { value, ...place_ } = row;
    const changed = otherThan(value as Value, type);
    const keys = Object.keys(place_);
    const same = keys.map((one) => `"${one}" = ?`).join(" AND ");
    database.exec("PRAGMA ignore_check_constraints = 1; DROP TRIGGER record_key_update");
    const trigger = inOriginal((o) => {
      return o.prepare("SELECT sql FROM sqlite_schema WHERE name = 'record_key_update'").get()![
        "sql"
      ] as string;
    });
    const values = Object.values(place_) as Value[];
    const { changes } = database
      .prepare(`UPDATE ${table} SET ${column} = ? WHERE ${same}`)
      .run(changed, ...values);
    database.exec(trigger);
    assert.equal(changes, 1);
    change = `${table}.${column} of row ${at}: ${String(value)} to ${String(changed)}`;
  });
  assertFound(folder, change);
}

type Value = number | string | Uint8Array | null;

function otherThan(value: Value, type: string): Value {
  if (value === null) return type === "BLOB" ? Buffer.alloc(32) : 1;
  // Large, so that no other row has it for a key.
  if (typeof value === "number") return value + 1_000_003;
  if (typeof value === "string") return value.length === 0 ? "x" : flip(Buffer.from(value)).toString();
  return flip(Buffer.from(value));
}

/** Changes the lowest bit of the byte in the middle. */
function flip(bytes: Buffer): Buffer {
  bytes[bytes.length >> 1]! ^= 1;
  return bytes;
}

function keyOf(database: DatabaseSync, table: string): string {
  const rows = database.prepare("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk").all(table);
  return rows.map(({ name }) => `"${name as string}"`).join(", ");
}

function inOriginal<T>(look: (database: DatabaseSync) => T): T {
  using database = new DatabaseSync(ledgerPath(original), { readOnly: true });
  return look(database);
}

describe("a row that was taken out is found", () => {
  for (const [table, where] of Object.entries(AUDITED)) {
    for (const place of PLACES) {
      test(`from ${table}, at ${place}`, () => {
        const folder = tampered((database) => {
          const key = keyOf(database, table);
          const row = `SELECT ${key} FROM ${table} WHERE ${where} ORDER BY ${key} LIMIT 1
            OFFSET (SELECT ${place} FROM ${table} WHERE ${where})`;
          assert.equal(database.prepare(`DELETE FROM ${table} WHERE (${key}) IN (${row})`).run().changes, 1);
        });
        assertFound(folder, "it");
      });
    }
  }
});

test("a snapshot that was deleted is told in words", () => {
  const folder = tampered((database) => database.exec("DELETE FROM snapshot"));
  for (const quick of [false, true])
    assert.match(audit(folder, { quick }).problem!.message, /the row that says how far .* was deleted/);
});

test("entries in another order are found", () => {
  const folder = tampered((database) => {
    database.exec("UPDATE entries SET sequence = -7 WHERE sequence = 7");
    database.exec("UPDATE entries SET sequence = 7 WHERE sequence = 8");
    database.exec("UPDATE entries SET sequence = 8 WHERE sequence = -7");
  });
  assertFound(folder, "it");
});

test("links in another order are found", () => {
  const folder = tampered((database) => {
    database.exec("UPDATE chain SET position = -15 WHERE position = 15");
    database.exec("UPDATE chain SET position = 15 WHERE position = 16");
    database.exec("UPDATE chain SET position = 16 WHERE position = -15");
  });
  assertFound(folder, "it");
});

test("an entry, and a limit, that nobody has chained are found", () => {
  for (const sql of [
    `INSERT INTO entries SELECT sequence + 1, at_us, 'reserve', 'new', account, 0, 0, 0, 0, at_us, 0, NULL, '', 0, 0, 0, NULL
     FROM entries ORDER BY sequence DESC LIMIT 1`,
    "UPDATE limits SET amount = amount * 2 WHERE amount IS NOT NULL",
    "DROP TRIGGER record_limit_insert",
  ]) {
    assertFound(
      tampered((database) => database.exec(sql)),
      sql,
    );
  }
});

test("a hold that was forgotten, or made smaller, is found", () => {
  for (const holds of ["json_remove(holds, '$[0]')", "json_set(holds, '$[0].charge.nanoUsd', 1)"]) {
    assertFound(
      tampered((database) => database.exec(`UPDATE snapshot SET holds = ${holds}`)),
      holds,
    );
  }
});

/** Somebody without the key changes what has no bearing on the balances, and computes the whole chain anew. */
function recompute(database: DatabaseSync): void {
  database.exec("UPDATE entries SET hold = 'r1/0:9' WHERE hold = 'r1/0:0'");
  const write = database.prepare("UPDATE chain SET hash = ? WHERE position = ?");
  let head: Head = NO_HEAD;
  for (
    let link = new LinkReader(database).at(1);
    link !== null;
    link = new LinkReader(database).at(head.position + 1)
  ) {
    const { value: read } = new LinkReader(database).after(head).next();
    const hash = new LinkHash(head.hash, link);
    for (const { line } of (read as LinkRead).records) hash.update(`${line}\n`);
    head = { ...link, hash: hash.digest() };
    write.run(head.hash, head.position);
  }
}

test("a chain that was computed anew without the key is found by the first signature", () => {
  const folder = tampered(recompute);
  assert.equal(audit(folder).problem?.check, "signature");
  assert.equal(audit(folder, { quick: true }).problem?.check, "signature");
});

test("so is one from which all checkpoints were taken out: there have to be some", () => {
  const folder = join(dirname(original), "long");
  mkdirSync(folder);
  {
    using long = new SampleLedger(folder);
    long.database.exec("PRAGMA synchronous = OFF");
    long.spend(LINKS_PER_CHECKPOINT + 1);
    long.database.exec(
      "DELETE FROM checkpoints; CREATE TEMP TABLE rest AS SELECT * FROM chain WHERE kind <> 'checkpoint'",
    );
    long.database.exec("DELETE FROM chain; INSERT INTO chain SELECT * FROM rest");
    const renumber = long.database.prepare("UPDATE chain SET position = ? WHERE position = ?");
    const rows = long.database.prepare("SELECT position FROM chain ORDER BY position").all();
    for (const [i, { position }] of rows.entries()) renumber.run(i + 1, position as number);
    recompute(long.database);
  }
  assert.match(audit(folder).problem!.message, /a checkpoint was taken out/);
});

test("so is one that was signed with another key, where the true one was kept", () => {
  const verifiers = [verifierOf(publicKeyPem(original)!)];
  const folder = join(dirname(original), "forged");
  mkdirSync(folder);
  {
    // Everything as it was, by another key.
    using forged = new SampleLedger(folder);
    forged.administer();
    forged.spend(16);
    forged.stop();
  }
  assert.equal(audit(folder).problem, null);
  assert.equal(audit(folder, { verifiers }).problem?.check, "signature");
});

test("a checkpoint that was kept finds what was computed anew, even with the key", () => {
  const folder = join(dirname(original), "anew");
  mkdirSync(folder);
  copyFileSync(keyPath(original), keyPath(folder));
  {
    using anew = new SampleLedger(folder);
    anew.administer();
    anew.spend(20);
    anew.stop();
  }
  assert.equal(audit(folder).problem, null);
  for (const quick of [false, true]) {
    const { problem } = audit(folder, { kept, quick });
    assert.equal(problem?.check, "kept checkpoint");
    assert.match(problem.message, /computed anew/);
  }
});

test("a checkpoint that was kept finds that the end was cut off, however well that was done", () => {
  const folder = join(dirname(original), "earlier");
  mkdirSync(folder);
  copyFileSync(keyPath(original), keyPath(folder));
  {
    using earlier = new SampleLedger(folder);
    earlier.spend(2);
    earlier.stop();
  }
  assert.equal(audit(folder).problem, null);
  for (const quick of [false, true]) {
    assert.match(audit(folder, { kept, quick }).problem!.message, /cut off/);
  }
});

test("a quick look finds balances that are not those that were signed, and changes since", () => {
  for (const sql of [
    "UPDATE balances SET nano_usd = nano_usd + 1 WHERE window = 'total' AND account = 1",
    "UPDATE entries SET model = 'other' WHERE sequence = (SELECT max(sequence) FROM entries)",
    "DELETE FROM entries WHERE sequence = (SELECT max(sequence) FROM entries)",
    "UPDATE checkpoints SET signature = zeroblob(64)",
    "UPDATE keys SET role = 'admin'",
  ]) {
    assertFound(
      tampered((database) => database.exec(sql)),
      sql,
      { quick: true },
    );
  }
});

test("a kept checkpoint that was changed is not believed", () => {
  const folder = tampered(() => {});
  const changed = { ...kept, sequence: kept.sequence + 1 };
  assert.equal(audit(folder, { kept: changed }).problem?.check, "signature");
});

describe("a bit of the file that is flipped is found, or changes nothing that is promised", () => {
  let folder: string;
  let bytes: Buffer;
  let expected: unknown;

  before(() => {
    folder = tampered((database) =>
      database.exec("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE"),
    );
    bytes = readFileSync(ledgerPath(folder));
    expected = dump(folder);
  });

  /** Returns whether it was found. */
  function flipAt(at: number, bit: number): boolean {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1 << bit;
    writeFileSync(ledgerPath(folder), changed);
    if (isFound(folder)) return true;
    assert.deepEqual(dump(folder), expected, `bit ${bit} of byte ${at}`);
    return false;
  }

  test("wherever it is", () => {
    let found = 0;
    const flipped = fc.property(fc.nat(bytes.length - 1), fc.nat(7), (at, bit) => {
      if (flipAt(at, bit)) found += 1;
    });
    fc.assert(flipped, { numRuns: 200 });
    assert(found > 50);
  });

  test("in the number of the account of a sum, which then stands among those of another", () => {
    // Where an account stands before what comes next in a row: the window of a balance, the quarter of an hour of a use.
    const quarter = Buffer.alloc(8);
    quarter.writeBigUInt64BE(BigInt(START_US + HOUR_US));
    let found = 0;
    for (const next of [Buffer.from("total"), quarter]) {
      for (let at = bytes.indexOf(next); at > 0; at = bytes.indexOf(next, at + 1)) {
        for (const bit of [0, 1, 2]) if (flipAt(at - 1, bit)) found += 1;
      }
    }
    assert(found > 20, `${found} were found`);
  });
});

function isFound(folder: string): boolean {
  try {
    return audit(folder).problem !== null;
  } catch {
    // It is no ledger any more.
    return true;
  }
}

function dump(folder: string): unknown {
  using database = new DatabaseSync(ledgerPath(folder), { readOnly: true });
  return Object.entries(AUDITED).map(([table, where]) => {
    const rows = database.prepare(`SELECT * FROM ${table} WHERE ${where} ORDER BY ${keyOf(database, table)}`);
    // A column by another case of its name is the same to SQLite.
    rows.setReturnArrays(true);
    return rows.all();
  });
}

/** With SQL, while a supervisor has the ledger: the triggers record it, and whoever appends next finds what nobody has covered. */
const UNATTRIBUTED: readonly [sql: string, says: RegExp][] = [
  [
    "UPDATE keys SET role = 'admin' WHERE account = 'global/acme/alice'",
    /table keys, global\/acme\/alice, at /,
  ],
  [
    `INSERT INTO limit_changes (at_us, changed_by, account, unit, window, amount_before, amount_after,
       thresholds_before, thresholds_after)
     SELECT at_us, changed_by, account, unit, window, amount_after, 7, thresholds_after, thresholds_after
     FROM limit_changes WHERE version = 2;
     UPDATE limits SET amount = 7, version = (SELECT max(version) FROM limit_changes)
     WHERE window = 'rolling:7200'`,
    /table limit_changes, global\/acme, at /,
  ],
  ["INSERT INTO zones VALUES ('Europe/Atlantis', 1577836800000000, 0)", /table zones, Europe\/Atlantis, at /],
];

describe("what was changed by something other than Headgate is told for ever, whoever chains it", () => {
  const chained: [by: string, chain: (ledger: SampleLedger) => void][] = [
    ["a group of entries", (ledger) => ledger.spend(1)],
    ["a stop", (ledger) => ledger.stop()],
    ["a change of Headgate's own", ({ database }) => void rotateKey(database, "global/acme/bob")],
  ];
  for (const [sql, says] of UNATTRIBUTED) {
    for (const [by, chain] of chained) {
      test(`${sql.slice(0, 30)}…, chained by ${by}`, () => {
        const folder = join(dirname(original), `live-${copies++}`);
        {
          using ledger = new SampleLedger(folder);
          ledger.administer();
          ledger.database.exec(sql);
          chain(ledger);
          assertUnattributed(folder, says);
          ledger.spend(2);
          ledger.stop();
        }
        assertUnattributed(folder, says);
        rmSync(folder, { recursive: true });
      });
    }
  }
});

function assertUnattributed(folder: string, says: RegExp): void {
  const { problem, tables, walk } = audit(folder);
  assert.match(problem!.message, /changed by something other than Headgate/);
  assert.match(problem!.message, says);
  assert.match(problem!.message, /at \d{4}-\d\d-\d\dT[\d:.]+Z$/);
  // All else was looked at, and is right.
  assert(tables !== null);
  assert.equal(walk?.links.unattributed, 1);
}
