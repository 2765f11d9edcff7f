import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { ledgerPath } from "../../src/ledger/database.ts";
import { LinkHash, type LinkKind } from "../../src/ledger/audit/link.ts";
import { type CliResult, runCli } from "../cli/run.ts";
import { HOUR_US, SampleLedger, START_US } from "./sample-ledger.ts";

let ledger: SampleLedger;
let folder: string;
before(() => {
  ledger = new SampleLedger();
  ledger.administer();
  ledger.spend(20);
  ledger.stop();
  folder = dirname(ledger.stateFolder);
  writeFileSync(file("headgate.yaml"), "state: state\n");
});
after(() => {
  ledger[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

function file(name: string): string {
  return join(folder, name);
}

function run(...given: string[]): Promise<CliResult> {
  return runCli("audit", ...given, "--config", file("headgate.yaml"));
}

async function succeed(...given: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...given);
  assert.equal(code, 0, `${stdout}${stderr}`);
  return stdout;
}

function entriesOf(csvOrJsonl: string): number {
  return csvOrJsonl.trimEnd().split("\n").length;
}

test("verify says what was checked, and ends with 1 and what is wrong", async () => {
  const text = await succeed("verify");
  assert.match(text, /entries +\d+ +through \d+/);
  assert.match(text, /All of it is as it was written, and signed/);
  const report = JSON.parse(await succeed("verify", "--json")) as { ok: boolean; entries: number };
  assert(report.ok && report.entries > 100);
  ledger.database.exec("UPDATE entries SET nano_usd = nano_usd + 1 WHERE sequence = 40");
  const { code, stdout } = await run("verify");
  ledger.database.exec("UPDATE entries SET nano_usd = nano_usd - 1 WHERE sequence = 40");
  assert.equal(code, 1);
  assert.match(
    stdout,
    /WRONG \(entries, at link \d+\): entries \d+ to \d+, or the link, are not what they were/,
  );
  assert.match(stdout, /expected +[0-9a-f]{64}\n +found +[0-9a-f]{64}/);
});

test("a checkpoint and the public key, kept elsewhere, find that the end was cut off; also from a copy", async () => {
  await succeed("public-key", "--out", file("audit.pub"));
  await succeed("verify", "--quick");
  const copy = join(folder, "copy");
  mkdirSync(copy);
  ledger.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  copyFileSync(ledgerPath(ledger.stateFolder), join(copy, "ledger.db"));
  ledger.spend(1);
  await succeed("checkpoint", "--out", file("checkpoint.json"));
  const kept = ["--checkpoint", file("checkpoint.json"), "--public-key", file("audit.pub")];
  await succeed("verify", ...kept);
  assert.match(
    await succeed("verify"),
    /Through link \d+, it is as it was written, and signed; the last link, \d+, agrees/,
  );
  const { code, stdout } = await run("verify", "--ledger", join(copy, "ledger.db"), ...kept);
  assert.equal(code, 1);
  assert.match(stdout, /the end was cut off/);
  const without = await run("verify", "--ledger", join(copy, "ledger.db"));
  assert.match(without.stdout, /give its public key with --public-key/);
});

test("an export of everything is verified by itself, and any line of it that is changed or left out is found", async () => {
  // The last link is a checkpoint, and so is the one before it.
  ledger.stop();
  ledger.stop();
  const all = await succeed("export");
  writeFileSync(file("all.jsonl"), all);
  await succeed("verify", "--export", file("all.jsonl"));
  const lines = all.trimEnd().split("\n");
  for (const at of [0, 1, 5, 60, lines.length - 30, lines.length - 2, lines.length - 1]) {
    const line = lines[at]!;
    const spot = line.search(/\d(?=[^\d]*$)/);
    const changed = line.slice(0, spot) + ((Number(line[spot]) + 1) % 10) + line.slice(spot + 1);
    // Without the signature at the end, the last link still is one.
    const isNeeded = at !== lines.length - 2;
    for (const replaced of isNeeded ? [[changed], []] : [[changed]])
      await assertFound(lines.toSpliced(at, 1, ...replaced));
  }
  // The last link, with its one record; and with the signature under it.
  await assertFound(lines.toSpliced(lines.length - 4, 2));
  await assertFound(lines.toSpliced(lines.length - 4, 3));
});

test("an export that was computed anew without a key is worth nothing, and that is said", async () => {
  const [from, until] = [1, 2].map((hours) => new Date((START_US + hours * HOUR_US) / 1_000).toISOString());
  const lines = (await succeed("export", "--from", from!, "--until", until!)).trimEnd().split("\n");
  assert.match(lines.at(-2)!, /^\{"checkpoint":/);
  await succeed("public-key", "--out", file("audit.pub"));
  const unsigned = forge(lines.toSpliced(-2, 1));
  writeFileSync(file("forged.jsonl"), unsigned);
  for (const given of [[], ["--public-key", file("audit.pub")]]) {
    const { code, stdout } = await run("verify", "--export", file("forged.jsonl"), ...given);
    assert.equal(code, 1);
    assert.match(stdout, /nothing here is signed: it proves nothing against whoever made it/);
  }
  // With the signature left there, it is one under something else.
  writeFileSync(file("forged.jsonl"), forge(lines));
  assert.match(
    (await run("verify", "--export", file("forged.jsonl"))).stdout,
    /the checkpoint is about something else/,
  );
});

/** The same export with a unit more in every number of tokens, and its chain computed anew. */
function forge(lines: readonly string[]): string {
  let previous: Buffer = Buffer.from(
    (JSON.parse(lines[0]!) as { after: { hash: string } }).after.hash,
    "hex",
  );
  const forged: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    const { link } = JSON.parse(lines[i]!) as { link?: [number, LinkKind, number, number, number] };
    if (link === undefined) {
      forged.push(lines[i]!);
      continue;
    }
    const [position, kind, sequence, version, count] = link;
    const records = lines.slice(i + 1, i + 1 + count).map((line) => {
      const record = JSON.parse(line) as unknown[];
      if (kind === "entries") record[6] = (record[6] as number) + 1;
      return JSON.stringify(record);
    });
    const hash = new LinkHash(previous, { position, kind, sequence, version, count });
    for (const record of records) hash.update(`${record}\n`);
    previous = hash.digest();
    forged.push(JSON.stringify({ link, hash: previous.toString("hex") }), ...records);
    i += count;
  }
  return `${forged.join("\n")}\n`;
}

test("what is wrong in the ledger is exported, and not signed", async () => {
  ledger.database.exec("UPDATE entries SET nano_usd = nano_usd + 1 WHERE sequence = 40");
  const { code, stdout, stderr } = await run("export");
  ledger.database.exec("UPDATE entries SET nano_usd = nano_usd - 1 WHERE sequence = 40");
  assert.equal(code, 1);
  assert.match(stderr, /The export is not signed: entries \d+ to \d+, or the link, are not what they were/);
  assert.doesNotMatch(stdout, /^\{"checkpoint"/m);
  assert.match(stdout, /\{"end":\{"links":\d+\}\}\n$/);
});

test("that nothing is signed yet is said, and is wrong where a public key was given", async () => {
  const state = join(folder, "young");
  new SampleLedger(state)[Symbol.dispose]();
  const given = ["verify", "--ledger", ledgerPath(state)];
  assert.match(await succeed(...given), /nothing here is signed: it proves nothing against whoever made it/);
  for (const quick of [[], ["--quick"]]) {
    const { code, stdout } = await run(...given, ...quick, "--public-key", file("audit.pub"));
    assert.equal(code, 1);
    assert.match(stdout, /WRONG \(signature\): nothing here is signed/);
  }
});

async function assertFound(lines: readonly string[]): Promise<void> {
  writeFileSync(file("changed.jsonl"), `${lines.join("\n")}\n`);
  const { code, stdout } = await run("verify", "--export", file("changed.jsonl"));
  assert.equal(code, 1, lines.at(-1));
  assert.match(stdout, /WRONG/);
}

test("an export of some hours has the links of these hours, and is verified, too", async () => {
  const [from, until] = [1, 3].map((hours) => new Date((START_US + hours * HOUR_US) / 1_000).toISOString());
  const range = ["--from", from!, "--until", until!];
  await succeed("export", ...range, "--out", file("some.jsonl"));
  const report = JSON.parse(await succeed("verify", "--export", file("some.jsonl"), "--json")) as {
    links: { entries: number; genesis: number };
    entries: number;
  };
  // Four groups an hour.
  assert.deepEqual([report.links.entries, report.links.genesis], [8, 0]);
  const csv = await succeed("export", ...range, "--format", "csv");
  assert.equal(entriesOf(csv), 1 + report.entries);
  assert.match(csv, /^sequence,at,operation,hold,account,nano_usd,/);
});

test("of one account, its entries and those of accounts below it are exported", async () => {
  const lines = (await succeed("export", "--account", "acme/bob")).trimEnd().split("\n");
  const accounts = new Set(lines.map((line) => (JSON.parse(line) as { account: string }).account));
  assert.deepEqual(
    [...accounts].sort(),
    [0, 1, 2].map((i) => `global/acme/bob/agent-${i}`),
  );
  writeFileSync(file("bob.jsonl"), `${lines.join("\n")}\n`);
  assert.match(
    (await run("verify", "--export", file("bob.jsonl"))).stdout,
    /only exports as jsonl without --account/,
  );
});

test("after a compaction, verify and export read the files, too", async () => {
  const all = await succeed("export", "--format", "csv");
  const said = await succeed("compact", "--before", new Date((START_US + 3 * HOUR_US) / 1_000).toISOString());
  assert.match(said, /Moved \d\d+ entries to 1 files, and deleted \d+ from the ledger/);
  assert.equal(await succeed("export", "--format", "csv"), all);
  await succeed("verify");
  const again = await run("export", "--out", file("all.jsonl"));
  assert.equal(again.code, 1);
  assert.match(again.stderr, /all.jsonl is there already. Give another file, or --force/);
  await succeed("export", "--out", file("all.jsonl"), "--force");
  await succeed("verify", "--export", file("all.jsonl"));
});

test("what is no date, no checkpoint, no key and no ledger is refused with what to give instead", async () => {
  const wrong: [given: string[], says: RegExp][] = [
    [["export", "--from", "yesterday"], /give a day such as 2026-10-01/],
    [["verify", "--checkpoint", file("headgate.yaml")], /That is no checkpoint. `headgate audit checkpoint/],
    [["verify", "--public-key", file("headgate.yaml")], /That is no public key/],
    [["verify", "--checkpoint", file("none.json")], /none.json, given with --checkpoint, can't be read/],
    [["verify", "--public-key", file("none.pub")], /`headgate audit public-key --out <file>` writes one/],
    [["verify", "--ledger", file("none.db")], /There is no ledger/],
    [
      ["verify", "--ledger", file("headgate.yaml")],
      /headgate.yaml can't be read as a ledger .*Give the path of/,
    ],
    [["export", "--from", "2026-10-02", "--until", "2026-10-01"], /--from has to be before --until/],
    [["verify", "--quick", "--export", file("x")], /cannot be used with/],
  ];
  for (const [given, says] of wrong) {
    const { code, stderr } = await run(...given);
    assert.notEqual(code, 0);
    assert.match(stderr, says);
  }
  assert.match(readFileSync(ledgerPath(ledger.stateFolder)).toString("latin1"), /^SQLite format 3/);
});
