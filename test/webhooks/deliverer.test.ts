import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { afterEach, beforeEach, test } from "node:test";
import { MICROS_PER_MILLI, type Micros, seconds } from "../../src/core/units.ts";
import { type Alert, insertAlert, readAlerts } from "../../src/ledger/alert-table.ts";
import { claimDue } from "../../src/webhooks/backlog.ts";
import { Deliverer } from "../../src/webhooks/deliverer.ts";
import { LedgerFile } from "../administration/ledger-file.ts";
import { until } from "../system/headgate.ts";
import { type Delivery, Receiver } from "./receiver.ts";

const KEY = Buffer.from("a secret of more than 16 bytes");

let ledger: LedgerFile;
let told: string[];
const receivers: Receiver[] = [];
beforeEach(() => {
  ledger = new LedgerFile();
  told = [];
});
afterEach(() => {
  for (const receiver of receivers.splice(0)) receiver.close();
  ledger.close();
});

function nowUs(): Micros {
  return Date.now() * MICROS_PER_MILLI;
}

function alertAt(percent: number, atUs = nowUs()): void {
  insertAlert(ledger.database, {
    account: "global/acme/research",
    unit: "usd",
    window: "month@Europe/Berlin",
    startUs: Date.parse("2026-09-30T22:00:00Z") * MICROS_PER_MILLI,
    percent,
    atUs,
    amount: 500_000_000_000n,
    posted: 400_120_000_000n,
  });
}

async function receiverWith(...statuses: number[]): Promise<{ receiver: Receiver; url: string }> {
  const receiver = new Receiver(statuses);
  receivers.push(receiver);
  return { receiver, url: await receiver.listen() };
}

function delivererTo(...urls: string[]): Deliverer {
  const hooks = urls.map((url) => ({ url, key: KEY }));
  return new Deliverer({
    database: ledger.database,
    hooks,
    tell: (_level, _fields, message) => told.push(message),
    firstRetryMs: 1,
  });
}

/** The alerts as they stand in the file, the first first. */
function alerts(): Alert[] {
  return readAlerts(ledger.database, { max: 100 }).toReversed();
}

async function untilSettled(deliverer: Deliverer): Promise<void> {
  await until(async () => {
    await deliverer.round();
    return alerts().every(({ nextTryUs }) => nextTryUs === null);
  });
}

/** As a receiver checks it, from what has arrived and nothing else. */
function assertSigned({ headers, body }: Delivery): void {
  const content = `${String(headers["webhook-id"])}.${String(headers["webhook-timestamp"])}.${body}`;
  const signature = createHmac("sha256", KEY).update(content).digest("base64");
  assert.equal(headers["webhook-signature"], `v1,${signature}`);
  assert.match(String(headers["webhook-timestamp"]), /^\d{10}$/);
}

test("an alert is posted until it is taken, signed anew each time, under one id", async () => {
  const { receiver, url } = await receiverWith(500, 404);
  alertAt(80);
  await untilSettled(delivererTo(url));
  const { deliveries } = receiver;
  assert.equal(deliveries.length, 3);
  for (const delivery of deliveries) assertSigned(delivery);
  assert.equal(new Set(deliveries.map(({ headers }) => headers["webhook-id"])).size, 1);
  assert.equal(new Set(deliveries.map(({ body }) => body)).size, 1);
  assert.match(String(deliveries[0]!.headers["webhook-id"]), /^msg_[\w-]{27}$/);
  const { type, timestamp, data } = JSON.parse(deliveries[0]!.body) as Record<string, unknown>;
  const [alert] = alerts();
  assert.equal(type, "alert");
  assert.equal(timestamp, new Date(alert!.atUs / MICROS_PER_MILLI).toISOString());
  assert.deepEqual(data, {
    account: "global/acme/research",
    unit: "usd",
    window: "month@Europe/Berlin",
    window_start: "2026-09-30T22:00:00.000Z",
    percent: 80,
    limit: "500",
    posted: "400.12",
    message: "global/acme/research has reached 80 % of a limit: 400.12 of 500 USD a month in Europe/Berlin.",
  });
  assert.equal(alert!.attempts, 3);
  assert.ok(alert!.deliveredUs !== null);
  assert.equal(told.filter((message) => message === "alert delivered").length, 1);
});

/** Of all alerts that it was sent. */
function percents({ deliveries }: Receiver): number[] {
  return deliveries.map(({ body }) => (JSON.parse(body) as { data: { percent: number } }).data.percent);
}

test("a hook is told one thing at a time, in order, and others don't hear again what they took", async () => {
  const failing = await receiverWith(503, 503);
  const fine = await receiverWith();
  for (const percent of [80, 90, 95]) alertAt(percent);
  await untilSettled(delivererTo(failing.url, fine.url));
  assert.deepEqual(percents(fine.receiver), [80, 90, 95]);
  assert.deepEqual(
    percents(failing.receiver).toSorted((a, b) => a - b),
    [80, 80, 80, 90, 95],
  );
  assert.deepEqual([failing.receiver.concurrency, fine.receiver.concurrency], [1, 1]);
  assert.ok(alerts().every(({ deliveredUs }) => deliveredUs !== null));
});

test("nobody at that address is a failure like others, and what failed is not forgotten by the next life", async () => {
  const { receiver, url } = await receiverWith();
  receiver.close();
  alertAt(80);
  assert.equal(await delivererTo(url).round(), 1);
  const [waiting] = alerts();
  assert.equal(waiting!.attempts, 1);
  assert.ok(waiting!.nextTryUs! > waiting!.atUs);
  const other = await receiverWith();
  await untilSettled(delivererTo(other.url));
  assert.equal(other.receiver.deliveries.length, 1);
});

test("a redirect is not followed: it is not the address that was configured", async () => {
  const { receiver, url } = await receiverWith(302);
  alertAt(80);
  await untilSettled(delivererTo(url));
  assert.equal(receiver.deliveries.length, 2);
});

test("what nobody has taken within a day is given up, and said so", async () => {
  const { receiver, url } = await receiverWith();
  alertAt(80, nowUs() - seconds(86_401));
  assert.equal(await delivererTo(url).round(), 0);
  const [alert] = alerts();
  assert.deepEqual([alert!.nextTryUs, alert!.deliveredUs], [null, null]);
  assert.deepEqual(receiver.deliveries, []);
  assert.match(told[0]!, /given up/);
});

test("of too many that wait, the oldest are given up", async () => {
  const atUs = nowUs();
  const insert = ledger.database.prepare(
    `INSERT INTO alerts (account, unit, window, start_us, percent, at_us, amount, posted, next_try_us)
     VALUES ('global', 'requests', 'minute', ?, 80, ?, 1, 1, ?)`,
  );
  ledger.database.exec("BEGIN");
  for (let i = 0; i < 10_005; i++) insert.run(i, atUs, atUs + seconds(3_600));
  ledger.database.exec("COMMIT");
  await delivererTo("http://127.0.0.1:1/").round();
  const { waiting, first } = ledger.database
    .prepare("SELECT count(*) AS waiting, min(id) AS first FROM alerts WHERE next_try_us IS NOT NULL")
    .get() as { waiting: number; first: number };
  assert.deepEqual([waiting, first], [10_000, 6]);
});

test("what one process delivers, no other takes; what it leaves on a stop is due again", async () => {
  alertAt(80);
  const [claimed] = claimDue(ledger.database, nowUs());
  assert.equal(claimed!.percent, 80);
  assert.deepEqual(claimDue(ledger.database, nowUs()), []);
  // A process that died in the middle holds it for minutes, not for ever.
  assert.equal(claimDue(ledger.database, nowUs() + seconds(301)).length, 1);

  ledger.database.exec("DELETE FROM alerts");
  alertAt(90);
  const { url } = await receiverWith(500);
  const deliverer = delivererTo(url);
  const round = deliverer.round();
  deliverer.stop();
  assert.equal(await round, 0);
  const [alert] = alerts();
  assert.deepEqual([alert!.attempts, alert!.nextTryUs], [0, 0]);
});
