import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { MODEL, SupervisorHome, type SupervisorProcess } from "../budget/supervisor-process.ts";
import { FakeWorker } from "../fakes/fake-worker.ts";
import { until } from "../system/headgate.ts";
import { ask, isThere, knows, metric, pidsOf, type ReplicaStatus, statusOfAll } from "./replicas.ts";

const REPLICAS = 2;
/** Far more than there are. */
const REQUESTS_MAX = 1_000;
const CHAT = { model: MODEL, max_tokens: 2, messages: [{ role: "user", content: "Hello" }] };
const COMPLETED = `headgate_requests_total{model="${MODEL}",outcome="completed",code=""}`;

describe("several supervisors on one port", () => {
  let home: SupervisorHome;
  let headgate: SupervisorProcess;
  let worker: FakeWorker;
  let url: string;
  let requests = 0;
  before(async () => {
    home = new SupervisorHome();
    home.setLimit({ account: "global/local", unit: "requests", window: "total", amount: `${REQUESTS_MAX}` });
    worker = await FakeWorker.start({ model: MODEL });
    headgate = await home.start("--supervisors", String(REPLICAS));
    ({ url } = headgate);
    await worker.register(url);
  });
  after(async () => {
    await headgate.stop();
    await worker.close();
    home.remove();
  });

  /** A whole answer; returns the id of the supervisor that has sent it to the worker. */
  async function chat(): Promise<string> {
    return (await answered()).supervisor;
  }

  /** The same, with how many requests are left as the answer says. */
  async function answered(): Promise<{ supervisor: string; left: number }> {
    const answer = ask(`${url}/v1/chat/completions`, { body: CHAT });
    const generation = await worker.next();
    generation.started();
    generation.token("Hel");
    generation.token("lo");
    generation.done("length");
    const { status, text } = await answer;
    assert.equal(status, 200, text);
    requests++;
    const { usage } = JSON.parse(text) as { usage: { budgets: { remaining: string }[] } };
    const left = Number(usage.budgets[0]!.remaining);
    return { supervisor: generation.request["supervisor"] as string, left };
  }

  /** Reports that part of what it says of its cache; whether all of it is asked for. */
  async function asksForAll(sequence: number): Promise<boolean> {
    const body = worker.heartbeat({ cache: { sequence, stored: [], removed: [] } });
    const { text } = await ask(`${url}/coordinator/health/heartbeat`, { body });
    return (JSON.parse(text) as { cache?: string }).cache === "all";
  }

  async function scrape(): Promise<string> {
    const { status, text } = await ask(`${url}/metrics`);
    assert.equal(status, 200, text);
    return text;
  }

  const atEach = (isRight?: (status: ReplicaStatus) => boolean): Promise<Map<string, ReplicaStatus>> =>
    statusOfAll(url, REPLICAS, isRight);

  it("each says which one it is, and how many there are", async () => {
    const told = await atEach();
    for (const { supervisor } of told.values()) assert.equal(supervisor.of, REPLICAS);
    assert.equal(new Set(pidsOf(told)).size, REPLICAS);
  });

  it("answers tell what nobody has used, though others have leased it, and no more than is left", async () => {
    const own = new Map<string, number>();
    for (let i = 0; i < 5 * REPLICAS; i++) {
      const { supervisor, left } = await answered();
      own.set(supervisor, (own.get(supervisor) ?? 0) + 1);
      // What others have used in the last second it may not know yet.
      assert(left >= REQUESTS_MAX - requests, `${left} are left after ${requests}`);
      assert(left <= REQUESTS_MAX - own.get(supervisor)!, `${left} are left after ${requests}`);
    }
    assert.equal(own.size, REPLICAS);
  });

  it("a report to one of them reaches all, and so does a good-bye", async () => {
    await atEach((status) => knows(status, worker.id));
    const other = await FakeWorker.start({ id: "other", model: MODEL });
    await other.register(url);
    await atEach((status) => knows(status, "other"));
    const { status } = await ask(`${url}/coordinator/health/deregister`, {
      body: { worker_id: "other", epoch: "1" },
    });
    assert.equal(status, 200);
    await atEach((told) => !knows(told, "other"));
    await other.close();
  });

  it("workers are told one name for all of them, and each knows its own sessions from others'", async () => {
    const acks = new Set<string>();
    for (let i = 0; i < 2 * REPLICAS; i++) {
      const { text } = await ask(`${url}/coordinator/health/heartbeat`, { body: worker.heartbeat() });
      acks.add((JSON.parse(text) as { supervisor: string }).supervisor);
    }
    assert.equal(acks.size, 1);
    const answer = ask(`${url}/v1/chat/completions`, { body: CHAT });
    const generation = await worker.next();
    generation.started();
    await worker.register(url, {
      health: { alive: true, active_sessions: 5, kv_cache_bytes: 0 },
      sessions_by: { [generation.request["supervisor"] as string]: 1, elsewhere: 4 },
    });
    const told = await atEach(({ workers: [known] }) => known!.inFlight + known!.foreignSessions === 5);
    const running = [...told.values()].map(({ sessions }) => sessions);
    assert.equal(Math.max(...running), 1);
    assert.equal(Math.min(...running), 0);
    for (const text of ["Hel", "lo"]) generation.token(text);
    generation.done("length");
    assert.equal((await answer).status, 200);
    await worker.register(url);
  });

  it("serve in turn, and whoever is asked for metrics tells those of all", async () => {
    await chat();
    const completed = metric(await scrape(), COMPLETED);
    const senders = new Set<string>();
    let chats = 0;
    for (; senders.size < REPLICAS || chats < 4; chats++) senders.add(await chat());
    for (let i = 0; i < 2 * REPLICAS; i++) {
      const text = await scrape();
      assert.equal(metric(text, COMPLETED), completed + chats);
      assert.equal(metric(text, "headgate_request_seconds_count"), completed + chats);
      assert.equal(metric(text, "headgate_supervisors"), REPLICAS);
      // They see the same ones.
      assert.equal(metric(text, 'headgate_workers{status="alive"}'), 1);
    }
  });

  it("a policy that is set at one is in force at all", async () => {
    const set = await ask(`${url}/admin/policy`, {
      method: "PUT",
      body: { placement: { policy: "round-robin" } },
    });
    assert.equal(set.status, 200, set.text);
    await until(async () => {
      for (let i = 0; i < 2 * REPLICAS; i++) {
        const { text } = await ask(`${url}/admin/policy`);
        const { placement } = JSON.parse(text) as { placement: { policy: string } };
        if (placement.policy !== "round-robin") return false;
      }
      return true;
    });
  });

  it("one that is killed is replaced; the others serve on, and the new one knows what they know", async () => {
    const told = await atEach();
    await chat();
    const completed = metric(await scrape(), COMPLETED);
    const [[name, { supervisor }]] = told as unknown as [[string, ReplicaStatus]];
    process.kill(supervisor.pid, "SIGKILL");
    // Until the launcher has noticed, it gives it connections, which break.
    await until(() => !isThere(supervisor.pid));
    await chat();
    const later = await atEach((status) => status.supervisor.name !== name);
    const [newcomer] = [...later.values()].filter((status) => !told.has(status.supervisor.name));
    assert.ok(newcomer);
    assert.ok(knows(newcomer, worker.id), "it has not reported since");
    for (let i = 0; i < 2 * REPLICAS; i++) {
      const { text } = await ask(`${url}/admin/policy`);
      assert.equal((JSON.parse(text) as { placement: { policy: string } }).placement.policy, "round-robin");
    }
    assert.equal(metric(await scrape(), COMPLETED), completed + 1);
  });

  it("one that has missed what a worker said of its cache hears all of it", async () => {
    assert.equal(await asksForAll(0), false);
    // It has heard nothing of the beginning: whoever is asked next says so, for itself or for another.
    assert.equal(await asksForAll(7), true);
    // As long as somebody has a wish that came late, that is said, too.
    await until(async () => {
      await asksForAll(0);
      for (let sequence = 1; sequence <= 2 * REPLICAS; sequence++)
        if (await asksForAll(sequence)) return false;
      return true;
    });
  });

  it("one that hangs is ended and replaced", async () => {
    const told = await atEach();
    const [[name, { supervisor }]] = told as unknown as [[string, ReplicaStatus]];
    process.kill(supervisor.pid, "SIGSTOP");
    // What it was given hangs with it; others are asked meanwhile.
    await until(async () => {
      const answer = await Promise.race([
        ask(`${url}/headgate/status`).catch(() => null),
        new Promise<null>((resolve) => setTimeout(resolve, 100, null)),
      ]);
      if (answer === null) return false;
      return !told.has((JSON.parse(answer.text) as ReplicaStatus).supervisor.name);
    });
    assert.ok(!(await atEach()).has(name));
  });
});
