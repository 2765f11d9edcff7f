import assert from "node:assert/strict";
import { test } from "node:test";
import { Budget } from "../../src/core/budget/budget.ts";
import { NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import type { SupervisorEvent } from "../../src/core/events.ts";
import type { LeaseOrder } from "../../src/core/leasing/lease.ts";
import type { ReplicaMessage } from "../../src/ledger/shared/messages.ts";
import { RemoteLedger } from "../../src/ledger/shared/remote-ledger.ts";

const OPEN: LeaseOrder = { kind: "open", account: "global", unit: "usd", window: "total" };

/** A ledger whose turns end when the test says so. */
function setUp(onEvent: (event: SupervisorEvent, ledger: RemoteLedger) => void = () => {}): {
  ledger: RemoteLedger;
  sent: ReplicaMessage[];
  events: SupervisorEvent[];
  endTurn: () => void;
} {
  const sent: ReplicaMessage[] = [];
  const events: SupervisorEvent[] = [];
  let deferred: (() => void)[] = [];
  const ledger: RemoteLedger = new RemoteLedger({
    send: (message) => void sent.push(message),
    submit: (event) => {
      events.push(event);
      onEvent(event, ledger);
    },
    defer: (callback) => void deferred.push(callback),
    nowUs: () => 17,
  });
  const endTurn = (): void => {
    const now = deferred;
    deferred = [];
    for (const callback of now) callback();
  };
  return { ledger, sent, events, endTurn };
}

const budget = new Budget();

function append(ledger: RemoteLedger): LedgerEntry {
  const asked = { account: "global/a", priority: null, charge: NOTHING };
  const entry = budget.reserve({ id: `h${Math.random()}`, model: "m" }, asked, 1) as LedgerEntry;
  ledger.append({ kind: "append_ledger", entry });
  return entry;
}

test("what one turn appends and orders is one message, in that order", () => {
  const { ledger, sent, endTurn } = setUp();
  const first = append(ledger);
  ledger.order({ kind: "order_lease", order: OPEN });
  const second = append(ledger);
  assert.deepEqual(sent, []);
  endTurn();
  assert.deepEqual(sent, [{ kind: "ledger", items: [first, OPEN, second] }]);
  const third = append(ledger);
  endTurn();
  assert.deepEqual(sent.slice(1), [{ kind: "ledger", items: [third] }]);
  endTurn();
  assert.equal(sent.length, 2);
});

test("entries are pending until they are durable, and all is quiet then", async () => {
  const { ledger, events, endTurn } = setUp((event, self) => {
    // The answer may append more, which has to be waited for, too.
    if (event.kind === "ledger_durable" && event.through === second.sequence) last = append(self);
  });
  let last: LedgerEntry | null = null;
  await ledger.quiet();
  const first = append(ledger);
  const second = append(ledger);
  endTurn();
  assert.equal(ledger.pending, 2);
  let isQuiet = false;
  const quiet = ledger.quiet().then(() => (isQuiet = true));
  ledger.receive([{ kind: "ledger_durable", through: first.sequence }]);
  assert.equal(ledger.pending, 1);
  ledger.receive([{ kind: "ledger_durable", through: second.sequence }]);
  await Promise.resolve();
  assert.equal(ledger.pending, 1);
  assert.ok(!isQuiet);
  ledger.receive([{ kind: "ledger_durable", through: last!.sequence }]);
  assert.equal(ledger.pending, 0);
  await quiet;
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ["ledger_durable", "ledger_durable", "ledger_durable"],
  );
});

test("a touch says when it was sent, and does not wait for the turn's end", () => {
  const { ledger, sent } = setUp();
  ledger.touch();
  assert.deepEqual(sent, [{ kind: "touch", sentUs: 17 }]);
});
