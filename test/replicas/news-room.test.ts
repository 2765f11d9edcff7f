import assert from "node:assert/strict";
import { test } from "node:test";
import type { SchedulingSettings } from "../../src/config/scheduling-schema.ts";
import { readHeartbeat, type WorkerReport } from "../../src/gateway/heartbeat-report.ts";
import type { News } from "../../src/gateway/news.ts";
import { NewsRoom } from "../../src/launcher/news-room.ts";

function report(worker: string, epoch = "1"): WorkerReport {
  const cache = { sequence: 7, stored: [1], removed: [] };
  const health = { alive: true, active_sessions: 0, kv_cache_bytes: 0 };
  const heard = { worker_id: worker, worker_url: "http://127.0.0.1:1", timestamp: 1, health, epoch, cache };
  return readHeartbeat({ ...heard, models: [] }) as WorkerReport;
}

/** What was told to all, without the replica named behind it, in order. */
function newsRoom(workersMax = 10): {
  room: NewsRoom;
  told: [News, string | null][];
  clock: { nowMs: number };
} {
  const told: [News, string | null][] = [];
  const clock = { nowMs: 0 };
  const tellAll = (news: News, except: string | null): void => void told.push([news, except]);
  return { room: new NewsRoom({ workersMax, tellAll, nowMs: () => clock.nowMs }), told, clock };
}

const settings = (policy: string): SchedulingSettings => ({ placement: { policy } }) as SchedulingSettings;
const workersOf = (backlog: News[]): string[] =>
  backlog.flatMap((news) => (news.kind === "heartbeat" ? [news.report.worker] : []));

test("a report goes to all others, and later to those that start later, without its part of the cache", () => {
  const { room, told } = newsRoom();
  const heartbeat: News = { kind: "heartbeat", report: report("a") };
  room.take("1", heartbeat);
  assert.deepEqual(told, [[heartbeat, "1"]]);
  assert.deepEqual(room.backlog(), [{ kind: "heartbeat", report: { ...report("a"), cache: null } }]);
});

test("a worker that has left is forgotten, unless it was an earlier life of it", () => {
  const { room } = newsRoom();
  room.take("1", { kind: "heartbeat", report: report("a", "2") });
  room.take("1", { kind: "worker_left", worker: "a", epoch: "1", reason: "deregistered" });
  assert.deepEqual(workersOf(room.backlog()), ["a"]);
  room.take(null, { kind: "worker_left", worker: "a", epoch: null, reason: "exit code 1" });
  assert.deepEqual(room.backlog(), []);
});

test("no more workers are remembered than there may be: those that reported last", () => {
  const { room } = newsRoom(2);
  for (const worker of ["a", "b", "a", "c"]) room.take("1", { kind: "heartbeat", report: report(worker) });
  assert.deepEqual(workersOf(room.backlog()), ["a", "c"]);
});

test("whoever was set policies hears of them again, so that all end with the same", () => {
  const { room, told } = newsRoom();
  room.take("1", { kind: "policies", settings: settings("random") });
  room.take("2", { kind: "policies", settings: settings("round-robin") });
  assert.deepEqual(
    told.map(([, except]) => except),
    [null, null],
  );
  assert.deepEqual(room.backlog(), [{ kind: "policies", settings: settings("round-robin") }]);
});

test("whether a worker was heard of lately", () => {
  const { room, clock } = newsRoom();
  assert.equal(room.hasHeardWithin("a", 1_000), false);
  room.take("1", { kind: "heartbeat", report: report("a") });
  clock.nowMs = 999;
  assert.equal(room.hasHeardWithin("a", 1_000), true);
  clock.nowMs = 1_000;
  assert.equal(room.hasHeardWithin("a", 1_000), false);
});
