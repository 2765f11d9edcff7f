import assert from "node:assert/strict";
import { test } from "node:test";
import { Accounts, EMPTY_LEDGER, type LedgerState } from "../../src/core/budget/accounts.ts";
import { Budget } from "../../src/core/budget/budget.ts";
import { NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import type { LimitRow } from "../../src/core/budget/limits.ts";
import type { SupervisorEvent } from "../../src/core/events.ts";
import {
  type AskedPlace,
  LEASE_TTL_US,
  type LeaseAsk,
  type LeaseOrder,
} from "../../src/core/leasing/lease.ts";
import { type Micros, seconds } from "../../src/core/units.ts";
import { LedgerKeeper, type Rates } from "../../src/ledger/shared/ledger-keeper.ts";
import type { KeeperMessage } from "../../src/ledger/shared/messages.ts";

const ACCOUNT = "global/a";
const LIMIT: LimitRow = { account: "global", unit: "usd", window: "total", amount: "1000" };
const PLACE: AskedPlace = {
  account: "global",
  unit: "usd",
  window: "total",
  startUs: 0,
  needed: "600",
  least: "600",
  surplus: "0",
  percent: 100,
};
const ASK: LeaseAsk = { kind: "ask", ask: 1, places: [PLACE], news: [] };

interface Begun {
  state: LedgerState;
  limits: LimitRow[];
  rates: Rates;
  /** The journal says of each entry that it is durable before it returns. */
  isPrompt: boolean;
}

/** A keeper whose clock, callbacks and disk are the test's. */
class Setting {
  nowUs: Micros = seconds(1_000);
  trouble: string | null = null;
  readonly journal: LedgerEntry[] = [];
  readonly keeper: LedgerKeeper;
  #callbacks: { atUs: Micros; callback: () => void }[] = [];
  #submit: (event: SupervisorEvent) => void = () => {};

  constructor({ state = EMPTY_LEDGER, limits = [], rates, isPrompt = false }: Partial<Begun> = {}) {
    this.keeper = new LedgerKeeper({
      state,
      limits,
      ...(rates !== undefined && { rates }),
      createJournal: (submit) => {
        this.#submit = submit;
        return {
          append: ({ entry }) => {
            this.journal.push(entry);
            if (isPrompt) this.sync();
          },
        };
      },
      nowUs: () => this.nowUs,
      after: (delayUs, callback) => void this.#callbacks.push({ atUs: this.nowUs + delayUs, callback }),
      trouble: () => this.trouble,
    });
  }

  /** All that was appended is durable. */
  sync(): void {
    this.#submit({ kind: "ledger_durable", through: this.journal.at(-1)!.sequence });
  }

  pass(delayUs: Micros): void {
    this.nowUs += delayUs;
    const due = this.#callbacks.filter(({ atUs }) => atUs <= this.nowUs);
    this.#callbacks = this.#callbacks.filter(({ atUs }) => atUs > this.nowUs);
    for (const { callback } of due) callback();
  }
}

/** What a replica is sent, and entries as it makes them. */
class Peer {
  readonly messages: KeeperMessage[] = [];
  readonly budget = new Budget();
  readonly #setting: Setting;
  readonly #name: string;

  constructor(setting: Setting, name: string) {
    this.#setting = setting;
    this.#name = name;
    setting.keeper.join(name, (message) => void this.messages.push(message));
  }

  /** Since it was asked last. */
  events(): SupervisorEvent[] {
    return this.messages.splice(0).flatMap((message) => (message.kind === "events" ? message.events : []));
  }

  kinds(): string[] {
    return this.events().map(({ kind }) => kind);
  }

  entry(id: string, nanoUsd: number): LedgerEntry {
    const asked = { account: ACCOUNT, priority: null, charge: { ...NOTHING, nanoUsd } };
    return this.budget.reserve({ id, model: "m" }, asked, this.#setting.nowUs) as LedgerEntry;
  }

  send(...items: (LedgerEntry | LeaseOrder)[]): void {
    this.#setting.keeper.receive(this.#name, { kind: "ledger", items });
  }
}

test("what comes of one message is one message to each replica, and the first one is what it begins with", () => {
  const setting = new Setting({ limits: [LIMIT] });
  const [a, b] = [new Peer(setting, "a"), new Peer(setting, "b")];
  const [restored] = a.events();
  assert.ok(restored?.kind === "ledger_restored" && restored.isReplica);
  assert.deepEqual(restored.limits, [LIMIT]);
  assert.deepEqual(b.kinds(), ["ledger_restored"]);
  setting.keeper.receive("a", { kind: "touch", sentUs: 5 });
  assert.deepEqual(a.events(), [{ kind: "ledger_touched", sentUs: 5, ledgerUs: setting.nowUs }]);
  a.send({ ...ASK, places: [{ ...PLACE, needed: "1000" }] });
  assert.deepEqual(a.kinds(), ["lease_answered"]);
  b.send(ASK, { ...ASK, ask: 2, places: [{ ...PLACE, account: "global/a" }] });
  assert.equal(b.messages.length, 1);
  assert.deepEqual(a.kinds(), ["lease_recalled"]);
  setting.keeper.limitsChanged([{ ...LIMIT, amount: "2000" }], { zones: [], used: [], through: 0 });
  assert.deepEqual(
    a.messages.map(({ kind }) => kind),
    ["events"],
  );
  assert.deepEqual(a.kinds(), ["limits_changed"]);
});

test("what was left open, and a slice whose time is over, are written in order, also where each entry is durable at once", () => {
  const before = new Budget();
  const accounts = new Accounts();
  const amounts = { ...NOTHING, nanoUsd: 100 };
  const slice = { account: `${ACCOUNT}/agent`, expiresUs: seconds(500), amounts, priority: null };
  accounts.apply(before.openSlice(slice, seconds(400)) as LedgerEntry);
  for (const id of ["r1/0:0", "r2/0:0", "r3/0:0"]) {
    const asked = { account: slice.account, priority: null, charge: { ...NOTHING, nanoUsd: 10 } };
    accounts.apply(before.reserve({ id, model: "m" }, asked, seconds(400)) as LedgerEntry);
  }
  const { journal } = new Setting({ state: accounts.state, isPrompt: true });
  assert.deepEqual(
    journal.map(({ sequence, operation, charge }) => [sequence, operation, charge.nanoUsd]),
    [
      [5, "post", 10],
      [6, "post", 10],
      [7, "post", 10],
      [8, "void", 70],
    ],
  );
});

test("entries get their positions in the order in which they are read, and are durable in each one's own numbers", () => {
  const setting = new Setting();
  const [a, b] = [new Peer(setting, "a"), new Peer(setting, "b")];
  b.send(b.entry("b0", 1));
  a.send(a.entry("a0", 1), a.entry("a1", 1));
  b.send(b.entry("b1", 1));
  assert.deepEqual(
    setting.journal.map(({ sequence, hold }) => `${sequence} ${hold}`),
    ["1 b0", "2 a0", "3 a1", "4 b1"],
  );
  assert.deepEqual([a.kinds(), b.kinds()], [["ledger_restored"], ["ledger_restored"]]);
  setting.sync();
  for (const each of [a, b]) assert.deepEqual(each.events(), [{ kind: "ledger_durable", through: 2 }]);
});

test("who waits for what others do not give back is answered when their time is over", () => {
  const setting = new Setting({ limits: [LIMIT] });
  const [a, b] = [new Peer(setting, "a"), new Peer(setting, "b")];
  a.send(ASK);
  b.events();
  b.send(ASK);
  assert.deepEqual(b.kinds(), []);
  setting.pass(seconds(1));
  const [answer] = b.events();
  assert.ok(answer?.kind === "lease_answered");
  const [grant] = answer.grants;
  assert.equal(grant!.granted, "0");
  assert.ok(grant!.isAll);
});

test("of a replica that has left nothing is heard any more, and what it held is posted in doubt", () => {
  const setting = new Setting();
  const [a, b] = [new Peer(setting, "a"), new Peer(setting, "b")];
  a.send(a.entry("a0", 7));
  setting.keeper.leave("a");
  a.send(a.entry("a1", 7));
  setting.keeper.leave("a");
  assert.deepEqual(
    setting.journal.map(({ operation, hold, inDoubt }) => ({ operation, hold, inDoubt })),
    [
      { operation: "reserve", hold: "a0", inDoubt: false },
      { operation: "post", hold: "a0", inDoubt: true },
    ],
  );
  assert.equal(setting.keeper.openHolds, 0);
  assert.deepEqual(b.kinds(), ["ledger_restored", "doubts_left"]);
  // Nobody is left to hear of these but who comes next, and that only once.
  b.send(b.entry("b0", 7));
  setting.keeper.leave("b");
  const doubted = new Peer(setting, "c").events().find((event) => event.kind === "doubts_left");
  assert.deepEqual(
    doubted?.posts.map(({ hold }) => hold),
    ["b0"],
  );
  assert.deepEqual(new Peer(setting, "d").kinds(), ["ledger_restored"]);
});

test("a correction that another replica has made already is durable with what came before it", () => {
  const budget = new Budget();
  const asked = { account: ACCOUNT, priority: null, charge: { ...NOTHING, nanoUsd: 7 } };
  const lost = budget.reserve({ id: "lost", model: "m" }, asked, 5) as LedgerEntry;
  const hold = { ...lost, id: lost.hold, parts: [{ atUs: 5, charge: lost.charge }] };
  const setting = new Setting({ state: { ...EMPTY_LEDGER, sequence: 1, clockUs: 5, holds: [hold] } });
  assert.deepEqual(
    setting.journal.map(({ sequence, operation }) => `${sequence} ${operation}`),
    ["2 post"],
  );
  setting.sync();
  const [a, b] = [new Peer(setting, "a"), new Peer(setting, "b")];
  assert.deepEqual(a.kinds(), ["ledger_restored", "doubts_left"]);
  const adjust: LedgerEntry = {
    ...lost,
    operation: "adjust",
    sequence: 1,
    charge: { ...NOTHING, nanoUsd: -3 },
  };
  a.send(adjust);
  setting.sync();
  b.events();
  b.send(adjust);
  assert.equal(setting.journal.length, 2);
  assert.deepEqual(b.events(), [{ kind: "ledger_durable", through: 1 }]);
});

test("a replica is silent when nothing was heard of it for so long, and until it has left", () => {
  const setting = new Setting();
  const a = new Peer(setting, "a");
  setting.keeper.join("b", () => {});
  setting.pass(LEASE_TTL_US - 1);
  assert.deepEqual(setting.keeper.silent(), []);
  a.send(a.entry("a0", 1));
  setting.pass(1);
  assert.deepEqual(setting.keeper.silent(), ["b"]);
  setting.keeper.leave("b");
  assert.deepEqual(setting.keeper.silent(), []);
});

test("what is wrong with the file is told when it changes, and to whoever joins", () => {
  const setting = new Setting();
  const a = new Peer(setting, "a");
  a.messages.length = 0;
  setting.trouble = "no room";
  setting.keeper.receive("a", { kind: "touch", sentUs: 5 });
  setting.keeper.receive("a", { kind: "touch", sentUs: 6 });
  const told = (peer: Peer): KeeperMessage[] => peer.messages.filter(({ kind }) => kind === "trouble");
  assert.deepEqual(told(a), [{ kind: "trouble", words: "no room" }]);
  const b = new Peer(setting, "b");
  assert.deepEqual(told(b), [{ kind: "trouble", words: "no room" }]);
  setting.trouble = null;
  setting.keeper.receive("b", { kind: "touch", sentUs: 7 });
  for (const each of [a, b]) assert.deepEqual(told(each).at(-1), { kind: "trouble", words: null });
});

test("a rate is what all replicas together may let in, as it was set last", () => {
  const rates: Rates = { rates: { m: { perSecond: 0.001, burst: 1 } }, payerRates: {} };
  const setting = new Setting({ rates });
  const peers = [new Peer(setting, "a"), new Peer(setting, "b")];
  const shortages = (): boolean[] =>
    peers.map((peer, i) => {
      peer.messages.length = 0;
      peer.send({ kind: "turn", request: `r${i}`, model: "m", payers: [] });
      const [given] = peer.events();
      assert.ok(given?.kind === "turn_given" && given.request === `r${i}`);
      return given.shortage !== null;
    });
  assert.deepEqual(shortages(), [false, true]);
  setting.keeper.setRates({ rates: {}, payerRates: {} });
  assert.deepEqual(shortages(), [false, false]);
});
