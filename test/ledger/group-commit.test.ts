import assert from "node:assert/strict";
import { test } from "node:test";
import { NOTHING } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { type CommitStore, GroupCommit, type Urgency } from "../../src/ledger/group-commit.ts";

/** A store that does what it is told to, when it is told to. */
class HandStore implements CommitStore {
  /** Sequences of each group, in the order of writing. */
  readonly written: number[][] = [];
  readonly urgencies: Urgency[] = [];
  #done: ((error: Error | null) => void) | null = null;
  #deferred: (() => void)[] = [];

  write(group: readonly LedgerEntry[], done: (error: Error | null) => void): void {
    assert.equal(this.#done, null, "one group at a time");
    this.written.push(group.map(({ sequence }) => sequence));
    this.#done = done;
  }

  defer(callback: () => void, urgency: Urgency): void {
    this.urgencies.push(urgency);
    this.#deferred.push(callback);
  }

  /** Its time has come. */
  goOn(): void {
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const callback of deferred) callback();
  }

  finish(error: Error | null = null): void {
    const done = this.#done!;
    this.#done = null;
    done(error);
  }
}

function setUp(options?: { tellsAll: boolean }): {
  store: HandStore;
  commits: GroupCommit;
  durable: number[];
  append: (...operations: Operation[]) => void;
} {
  const store = new HandStore();
  const durable: number[] = [];
  const commits = new GroupCommit(
    store,
    (event) => {
      assert.equal(event.kind, "ledger_durable");
      durable.push(event.through);
    },
    options,
  );
  let sequence = 0;
  const append = (...operations: Operation[]): void => {
    for (const operation of operations) {
      sequence++;
      const entry = { sequence, atUs: sequence, operation, hold: "h", account: "global", model: "m" };
      commits.append({
        kind: "append_ledger",
        entry: { ...entry, heldAtUs: sequence, charge: NOTHING, overage: null, inDoubt: false, parts: null },
      });
    }
  };
  return { store, commits, durable, append };
}

type Operation = LedgerEntry["operation"];

test("one group is written at a time; what comes meanwhile is the next, and each is answered once", () => {
  const { store, commits, durable, append } = setUp();
  append("reserve", "reserve");
  store.goOn();
  append("extend", "post");
  store.goOn();
  assert.deepEqual(store.written, [[1, 2]]);
  assert.deepEqual(durable, []);
  store.finish();
  assert.deepEqual(durable, [2]);
  store.goOn();
  assert.equal(commits.pending, 2);
  store.finish();
  assert.deepEqual(store.written, [
    [1, 2],
    [3, 4],
  ]);
  assert.deepEqual(durable, [2, 4]);
  assert.equal(commits.pending, 0);
});

test("posts wait for a reserve to come along, and nobody is told of a group without one", () => {
  const { store, durable, append } = setUp();
  append("post", "void");
  assert.deepEqual(store.urgencies, ["relaxed"]);
  append("reserve");
  assert.deepEqual(store.urgencies, ["relaxed", "awaited"]);
  store.goOn();
  store.finish();
  assert.deepEqual(store.written, [[1, 2, 3]]);
  append("post");
  store.goOn();
  store.finish();
  assert.deepEqual(durable, [3]);
});

test("who keeps the ledger for others is told of every group", () => {
  const { store, durable, append } = setUp({ tellsAll: true });
  append("post", "void");
  store.goOn();
  store.finish();
  append("reserve");
  store.goOn();
  store.finish();
  assert.deepEqual(durable, [2, 3]);
});

test("a reminder of an earlier group does not hurry a later one", () => {
  const { store, append } = setUp();
  const late: (() => void)[] = [];
  store.defer = (callback, urgency) => void (urgency === "relaxed" ? late.push(callback) : callback());
  append("post", "reserve");
  store.finish();
  append("post");
  late[0]!();
  assert.deepEqual(store.written, [[1, 2]]);
  late[1]!();
  assert.deepEqual(store.written, [[1, 2], [3]]);
});

test("a group that can't be written is written again before anything else", () => {
  const { store, durable, append } = setUp();
  append("reserve");
  store.goOn();
  append("reserve");
  store.finish(new Error("disk full"));
  assert.equal(store.urgencies.at(-1), "retry");
  assert.deepEqual(durable, []);
  store.goOn();
  store.finish();
  store.goOn();
  store.finish();
  assert.deepEqual(store.written, [[1], [1], [2]]);
  assert.deepEqual(durable, [1, 2]);
});

test("all is quiet once the last entry is durable, without waiting for the store's time", async () => {
  const { store, commits, append } = setUp();
  await commits.quiet();
  append("post");
  const quiet = commits.quiet();
  append("post");
  assert.deepEqual(store.written, [[1]]);
  store.finish();
  assert.deepEqual(store.written, [[1], [2]]);
  store.finish();
  await quiet;
});
