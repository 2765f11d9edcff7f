import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InvariantViolation } from "../../src/core/assert.ts";
import { Fleet } from "../../src/core/fleet/fleet.ts";
import { sessionsOn } from "../../src/core/fleet/worker.ts";
import type { Attempt } from "../../src/core/request.ts";
import { attemptOn, coreConfig, heartbeat, plannedPacket } from "./fixtures.ts";

type Name = "a" | "b";

type Step =
  | { kind: "occupy"; worker: Name; promptTokensMax: number }
  | { kind: "release"; pick: number }
  | { kind: "resize"; pick: number; kvBytes: number }
  | { kind: "report"; worker: Name; sessions: number; ownSessions: number | null };

const worker = fc.constantFrom<Name>("a", "b");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("occupy" as const), worker, promptTokensMax: fc.nat(50) }),
  fc.record({ kind: fc.constant("release" as const), pick: fc.nat(20) }),
  fc.record({ kind: fc.constant("resize" as const), pick: fc.nat(20), kvBytes: fc.nat(90) }),
  fc.record({
    kind: fc.constant("report" as const),
    worker,
    sessions: fc.nat(9),
    ownSessions: fc.option(fc.nat(9)),
  }),
);

test("counters of the fleet, its workers and its endpoints are those of the attempts that run", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const fleet = new Fleet(coreConfig());
      for (const id of ["a", "b"]) fleet.heartbeat(0, heartbeat(id, 0));
      const running: Attempt[] = [];
      // By worker, since its last report.
      const ended = { a: 0, b: 0 };
      for (const each of steps) {
        const attempt = "pick" in each ? running[each.pick % Math.max(1, running.length)] : undefined;
        if (each.kind === "occupy") {
          const endpoint = fleet.worker(each.worker)!.endpoints[0]!;
          const next = attemptOn(endpoint, plannedPacket({ promptTokensMax: each.promptTokensMax }));
          fleet.occupy(next);
          running.push(next);
        } else if (each.kind === "report") {
          const { sessions, ownSessions } = each;
          const { ownSessions: ours } = fleet.worker(each.worker)!;
          fleet.heartbeat(0, { ...heartbeat(each.worker, 0), sessions, ownSessions });
          // What is our own is never counted twice, the report never overrides our own count, and what it takes for ours
          // and we know nothing of is load all the same.
          const reported = fleet.worker(each.worker)!;
          const own = Math.min(ownSessions ?? Infinity, ours + ended[each.worker]);
          ended[each.worker] = 0;
          assert.equal(reported.foreignSessions, Math.max(0, sessions - own));
          assert.equal(sessionsOn(reported), reported.attempts.size + reported.foreignSessions);
        } else if (attempt !== undefined && each.kind === "resize") {
          fleet.resize(attempt, each.kvBytes);
        } else if (attempt !== undefined) {
          fleet.release(attempt);
          ended[attempt.endpoint.worker.id as Name]++;
          running.splice(running.indexOf(attempt), 1);
          assert.throws(() => fleet.release(attempt), InvariantViolation);
        }
        assertCounts(fleet, running);
      }
    }),
  );
});

function assertCounts(fleet: Fleet, running: readonly Attempt[]): void {
  assert.equal(fleet.sessions, running.length);
  assert.equal(fleet.kvBytes, kvBytesOf(running));
  for (const each of fleet.workers) {
    const here = running.filter(({ endpoint }) => endpoint.worker === each);
    assert.deepEqual(new Set(each.attempts), new Set(here));
    assert.equal(each.kvBytesReserved, kvBytesOf(here));
    for (const endpoint of each.endpoints) {
      assert.equal(endpoint.inFlight, here.filter((attempt) => attempt.endpoint === endpoint).length);
    }
  }
}

function kvBytesOf(attempts: readonly Attempt[]): number {
  return attempts.reduce((sum, { kvBytes }) => sum + kvBytes, 0);
}

test("a report is believed from 30 s late to 5 s ahead, and never after a later one", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -8_000, max: 35_000 })), (agesMs) => {
      const fleet = new Fleet(coreConfig());
      let latestMs = -Infinity;
      for (const ageMs of agesMs) {
        const report = heartbeat("a", 0);
        const timestampMs = report.receivedMs - ageMs;
        const isCredible = ageMs <= 30_000 && ageMs >= -5_000 && timestampMs >= latestMs;
        const outcome = fleet.heartbeat(0, { ...report, timestampMs });
        assert.equal(outcome.kind !== "refused", isCredible);
        if (isCredible) latestMs = timestampMs;
      }
    }),
  );
});

test("there are only so many workers, and those that are there may go on reporting", () => {
  const config = coreConfig();
  config.limits.workersMax = 2;
  const fleet = new Fleet(config);
  for (const id of ["a", "b"]) assert.equal(fleet.heartbeat(0, heartbeat(id, 0)).kind, "joined");
  assert.deepEqual(fleet.heartbeat(0, heartbeat("c", 0)), { kind: "refused", refusal: "too_many_workers" });
  assert.equal(fleet.heartbeat(0, heartbeat("a", 0)).kind, "same");
});

test("a remote is always there, and nobody's heartbeat speaks for it", () => {
  const config = coreConfig();
  config.remotes.push({ name: "cloud", models: ["m"], concurrencyMax: 2, contextTokens: 1_000, labels: {} });
  const fleet = new Fleet(config);
  assert.equal(fleet.heartbeat(0, heartbeat("cloud", 0)).kind, "refused");
  assert.deepEqual(
    fleet.available("m").map(({ id, slots }) => ({ id, slots })),
    [{ id: "cloud/m", slots: 2 }],
  );
});

test("the largest part of a GPU that a place is follows reports that change it", () => {
  const report = fc.record({
    worker,
    slots: fc.integer({ min: 1, max: 4 }),
    gpus: fc.constantFrom(0, 0.25, 1, 3),
    isServed: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(report, { maxLength: 20 }), (reports) => {
      const fleet = new Fleet(coreConfig());
      const last = new Map<Name, number>();
      for (const [i, { worker: id, slots, gpus, isServed }] of reports.entries()) {
        const told = heartbeat(id, i);
        const models = told.models.map((model) => ({ ...model, slots, gpus }));
        fleet.heartbeat(i, { ...told, models: isServed ? models : [] });
        last.set(id, isServed ? gpus / slots : 0);
        const { thousandths, of } = fleet.largestPlace(told.models[0]!.model);
        assert.equal(thousandths / of, Math.max(...last.values()) * 1_000);
      }
    }),
  );
});
