import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { QueueingConfig } from "../../../src/core/config.ts";
import { schedulingOf } from "../../../src/core/default-scheduling.ts";
import { NO_HINTS, type RequestArrived } from "../../../src/core/events.ts";
import { BANDS, FAIRNESS, ORDERING } from "../../../src/core/queueing/catalogues.ts";
import { Queue, queueLimits, type QueueLimits } from "../../../src/core/queueing/queue.ts";
import type { Packet } from "../../../src/core/request.ts";
import { seconds } from "../../../src/core/units.ts";
import { coreConfig, plannedPacket } from "../fixtures.ts";

const MODELS = ["m", "k"];
const LIMITS: QueueLimits = { packetsMax: 1_000, bytesMax: 1_000_000, ttlUs: seconds(80), slo: null };

function newQueue(changes: Partial<QueueingConfig> = {}, limits: Partial<QueueLimits> = {}): Queue {
  return new Queue({ ...schedulingOf("").queueing, ...changes }, { ...LIMITS, ...limits });
}

function tried(packet: Packet): Packet {
  packet.attempts = 1;
  return packet;
}

function hinted(hints: Partial<RequestArrived["hints"]>, changes: Partial<RequestArrived> = {}): Packet {
  return plannedPacket({ ...changes, hints: { ...NO_HINTS, ...hints } });
}

/** Places whoever is next, again and again. */
function serveAll(queue: Queue, model = "m"): Packet[] {
  const served: Packet[] = [];
  for (const packet of queue.inOrder(model, 0)) {
    assert(queue.remove(packet, 0));
    queue.dispatched(packet, 0);
    served.push(packet);
  }
  return served;
}

const waiting = fc.record({
  model: fc.constantFrom(...MODELS),
  bodyBytes: fc.nat(500),
  wasTried: fc.boolean(),
});

test("a queue holds what was added and not removed, by default first come first served per model, retries first", () => {
  const step = fc.oneof(fc.record({ add: waiting }), fc.record({ remove: fc.nat(30) }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const queue = newQueue();
      const everyone: Packet[] = [];
      let model: Packet[] = [];
      for (const each of steps) {
        if ("add" in each) {
          const { wasTried, ...changes } = each.add;
          const packet = plannedPacket(changes);
          if (wasTried) packet.attempts = 1;
          everyone.push(packet);
          queue.add(packet, 0);
          model.push(packet);
        } else if (everyone.length > 0) {
          const packet = everyone[each.remove % everyone.length]!;
          assert.equal(queue.has(packet), model.includes(packet));
          assert.equal(queue.remove(packet, 0), model.includes(packet));
          model = model.filter((other) => other !== packet);
        }
        assertHolds(queue, model);
      }
    }),
  );
});

function assertHolds(queue: Queue, model: readonly Packet[]): void {
  assert.equal(queue.packets, model.length);
  assert.equal(
    queue.bytes,
    model.reduce((sum, { request }) => sum + request.arrival.bodyBytes, 0),
  );
  assert.deepEqual(new Set(queue.models), new Set(model.map(({ request }) => request.model)));
  assert.deepEqual(new Set(queue.all()), new Set(model));
  for (const name of MODELS) {
    const line = model.filter(({ request }) => request.model === name);
    const again = line.filter(({ attempts }) => attempts > 0);
    const fresh = line.filter(({ attempts }) => attempts === 0);
    // One flow: a walk that places nobody comes to all that were tried, and to the first eight others.
    assert.deepEqual([...queue.inOrder(name, 0)], [...again, ...fresh.slice(0, 8)]);
    assert.equal(queue.isWaiting(name), fresh.length > 0);
    assert.equal(queue.waitingFor(name), line.length);
  }
}

const anyConfig = fc.record({
  bandPolicy: fc.constantFrom(...Object.keys(BANDS)).map(plain),
  fairness: fc.constantFrom(...Object.keys(FAIRNESS)).map(plain),
  ordering: fc.constantFrom(...Object.keys(ORDERING)).map(plain),
  flowBy: fc.constantFrom("tenant" as const, "key" as const, "hint" as const),
  weights: fc.constantFrom({}, { a: 3, "b/k": 0.5 }),
  bands: fc
    .subarray(["urgent", "normal", "bulk"], { minLength: 1 })
    .map((names) =>
      names.map((name, i) => ({ ...schedulingOf("").queueing.bands[0]!, name, weight: 3 - i })),
    ),
});

function plain(name: string): { name: string; parameters: Record<string, number> } {
  return { name, parameters: {} };
}

const anyPacket = fc
  .record({
    tenant: fc.constantFrom("a", "b", "c"),
    key: fc.constantFrom(null, "k"),
    promptTokensMax: fc.nat(1_000),
    maxTokens: fc.nat(1_000),
    priority: fc.constantFrom(null, "urgent", "bulk", "unheard-of"),
    flow: fc.constantFrom(null, "x", "y"),
    ttftUs: fc.option(fc.nat(10_000_000), { nil: null }),
    wasTried: fc.boolean(),
  })
  .map(({ priority, flow, ttftUs, wasTried, ...changes }) => {
    const slo = ttftUs === null ? null : { ttftUs, tpotUs: 0 };
    const packet = hinted({ priority, flow, slo }, changes);
    return wasTried ? tried(packet) : packet;
  });

const anyStep = fc.oneof(
  { weight: 6, arbitrary: fc.record({ add: anyPacket }) },
  { weight: 4, arbitrary: fc.record({ serve: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ generate: fc.nat(50), of: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ end: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ remove: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ reconfigure: anyConfig }) },
);

test("whatever the policies are and however often they change, each packet that waits is served, once", () => {
  fc.assert(
    fc.property(anyConfig, fc.array(anyStep, { maxLength: 80, size: "max" }), (config, steps) => {
      const queue = newQueue(config);
      const left = new Set<Packet>();
      const running: Packet[] = [];
      let nowUs = 0;
      for (const step of steps) {
        nowUs += 100_000;
        if ("add" in step && !left.has(step.add) && !running.includes(step.add)) {
          queue.add(step.add, nowUs);
          left.add(step.add);
        } else if ("serve" in step) {
          let count = 0;
          for (const packet of queue.inOrder("m", nowUs)) {
            if (count++ >= step.serve) break;
            assert(left.delete(packet), "was waiting, and had not been served");
            assert(queue.remove(packet, nowUs));
            queue.dispatched(packet, nowUs);
            running.push(packet);
          }
        } else if ("generate" in step && running.length > 0) {
          queue.generated(running[step.of % running.length]!, step.generate, nowUs);
        } else if ("end" in step && running.length > 0) {
          const [packet] = running.splice(step.end % running.length, 1);
          queue.ended(packet!, nowUs);
        } else if ("remove" in step && left.size > 0) {
          const packet = [...left][step.remove % left.size]!;
          assert(queue.remove(packet, nowUs));
          left.delete(packet);
        } else if ("reconfigure" in step) {
          queue.reconfigure({ ...schedulingOf("").queueing, ...step.reconfigure }, nowUs);
        }
        assert.equal(queue.packets, left.size);
        assert.equal(queue.runningOn("m"), running.length);
      }
      assert.deepEqual(new Set(serveAll(queue)), left);
      assert.equal(queue.packets, 0);
      assert.equal(queue.bytes, 0);
    }),
    { numRuns: 300 },
  );
});

test("a queue has room up to its limits, and both are kept exactly", () => {
  const queue = newQueue({}, { packetsMax: 2, bytesMax: 100 });
  const asks = (bodyBytes: number) => queue.fullFor({ bodyBytes, hints: NO_HINTS });
  assert.equal(asks(100), null);
  assert.equal(asks(101), "queue_full");
  queue.add(plannedPacket({ bodyBytes: 60 }), 0);
  assert.equal(asks(40), null);
  assert.equal(asks(41), "queue_full");
  queue.add(plannedPacket({ bodyBytes: 0 }), 0);
  assert.equal(asks(0), "queue_full");
});

test("a band's time to live goes before that of the queue", () => {
  const [normal] = schedulingOf("").queueing.bands;
  const bands = [
    { ...normal!, name: "urgent", ttlUs: 5 },
    { ...normal!, name: "normal" },
  ];
  const queue = newQueue({ bands });
  assert.equal(queue.ttlUs(hinted({ priority: "urgent" })), 5);
  assert.equal(queue.ttlUs(hinted({})), LIMITS.ttlUs);
});

const names = ["urgent", "normal", "bulk"];

function rank({ request }: Packet): number {
  return names.indexOf(request.arrival.hints.priority!);
}

test("those who make room are of less urgent bands, the newest first, no more than are needed, and it is enough", () => {
  const [usual] = schedulingOf("").queueing.bands;
  const bands = names.map((name) => ({ ...usual!, name }));
  const packet = fc.record({ priority: fc.constantFrom(...names), bodyBytes: fc.nat(40) });
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 10 }), packet, (those, applicant) => {
      const queue = newQueue({ bands }, { packetsMax: 6, bytesMax: 120 });
      const line: Packet[] = [];
      for (const { priority, bodyBytes } of those) {
        const one = hinted({ priority }, { bodyBytes });
        if (!queue.hasRoom(one.request.arrival)) continue;
        queue.add(one, 0);
        line.push(one);
      }
      const asked = hinted({ priority: applicant.priority }, applicant).request.arrival;
      const below = line.filter((one) => rank(one) > names.indexOf(applicant.priority));
      const inOrder = below.toSorted((a, b) => rank(b) - rank(a) || line.indexOf(b) - line.indexOf(a));
      const evicted = queue.evictFor(asked);
      if (evicted === null) {
        for (const one of below) queue.remove(one, 0);
        return assert(!queue.hasRoom(asked));
      }
      assert.deepEqual(evicted, inOrder.slice(0, evicted.length));
      for (const one of evicted) {
        assert(!queue.hasRoom(asked));
        queue.remove(one, 0);
      }
      assert(queue.hasRoom(asked));
    }),
  );
});

test("packets may leave while the line is walked", () => {
  const queue = newQueue();
  const packets = [1, 2, 3].map(() => plannedPacket({}));
  for (const packet of packets) queue.add(packet, 0);
  assert.deepEqual(serveAll(queue), packets);
  assert.equal(queue.packets, 0);
});

test("a walk gives up after 32 packets that find no place, and after 8 of one flow", () => {
  const queue = newQueue({ fairness: plain("round-robin") });
  for (let i = 0; i < 60; i++) queue.add(plannedPacket({ tenant: `t${i % 6}` }), 0);
  const walked = [...queue.inOrder("m", 0)];
  assert.equal(walked.length, 32);
  for (const tenant of new Set(walked.map(({ request }) => request.arrival.tenant))) {
    assert(walked.filter(({ request }) => request.arrival.tenant === tenant).length <= 8);
  }
});

/** Walks until `patience` walks have placed nobody; the packets in `misfits` find no place. Returns how many went by them. */
function overtake(queue: Queue, misfits: readonly Packet[], nowUs: number): number {
  let placed = 0;
  for (let i = 0; i < 200; i++) {
    for (const packet of queue.inOrder("m", nowUs)) {
      if (misfits.includes(packet)) continue;
      queue.remove(packet, nowUs);
      placed++;
      queue.add(plannedPacket({ tenant: packet.request.arrival.tenant }), nowUs);
      break;
    }
  }
  return placed;
}

test("a packet that many have overtaken, and that has waited for long, holds back those behind it", () => {
  const queue = newQueue();
  const large = plannedPacket({ promptTokensMax: 1_000 });
  queue.add(large, 0);
  for (let i = 0; i < 3; i++) queue.add(plannedPacket({}), 0);
  // Not yet: it has waited for less than an eighth of its 80 s.
  assert.equal(overtake(queue, [large], seconds(9)), 200);
  assert.equal(overtake(queue, [large], seconds(10)), 0);
  assert.deepEqual([...queue.inOrder("m", seconds(10))], [large]);
  queue.reconfigure({ ...schedulingOf("").queueing, flowBy: "key" }, seconds(10));
  assert.equal(overtake(queue, [large], seconds(10)), 0);
  queue.remove(large, seconds(10));
  assert.equal(overtake(queue, [], seconds(10)), 200);
});

test("one with labels holds back those with the same ones only, and one that was tried elsewhere nobody", () => {
  const queue = newQueue();
  const bound = hinted({ labels: { region: "eu", disk: "ssd" } });
  const alike = hinted({ labels: { disk: "ssd", region: "eu" } });
  const retried = tried(plannedPacket({}));
  for (const packet of [bound, alike, retried, plannedPacket({})]) queue.add(packet, 0);
  assert.equal(overtake(queue, [bound, alike, retried], seconds(20)), 200);
  const walked = [...queue.inOrder("m", seconds(20))];
  assert.deepEqual(walked.slice(0, 2), [retried, bound]);
  assert(!walked.includes(alike));
});

test("flows that are idle are forgotten once there are too many", () => {
  const queue = newQueue({ fairness: plain("vtc") });
  for (let i = 0; i < 30_000; i++) {
    const packet = plannedPacket({ tenant: `t${i}`, model: `m${i % 7}` });
    queue.dispatched(packet, i);
    queue.generated(packet, 10, i);
    queue.ended(packet, i);
  }
  assert.equal(queue.flows, 10_000);
  const early = plannedPacket({ tenant: "t0", model: "m0" });
  queue.add(early, 30_000);
  assert.equal(queue.flows, 10_000);
  assert.deepEqual(serveAll(queue, "m0"), [early]);
});

test("flows that go by another name after a reconfiguration are forgotten like others", () => {
  const config = schedulingOf("").queueing;
  const queue = newQueue();
  for (let i = 0; i < 100; i++) queue.add(plannedPacket({ tenant: `t${i}`, key: "k" }), 0);
  queue.reconfigure({ ...config, flowBy: "key" }, 0);
  for (const packet of serveAll(queue)) queue.ended(packet, 0);
  for (let i = 0; i < 10_000; i++) {
    const packet = plannedPacket({ tenant: `u${i}` });
    queue.dispatched(packet, 0);
    queue.ended(packet, 0);
  }
  assert.equal(queue.flows, 10_000);
});

test("caps count over models and bands, and whoever ends at the cap says so", () => {
  const queue = newQueue({ caps: { a: 2 } });
  const [first, second, third] = ["m", "k", "m"].map((model) => plannedPacket({ tenant: "a", model }));
  queue.dispatched(first!, 0);
  assert(!queue.isCapped(third!));
  queue.dispatched(second!, 0);
  assert(queue.isCapped(third!));
  queue.add(third!, 0);
  assert.deepEqual([...queue.inOrder("m", 0)], []);
  assert(queue.ended(second!, 0));
  assert.deepEqual([...queue.inOrder("m", 0)], [third]);
  assert(!queue.ended(first!, 0));
});

test("names from outside are no properties of the tables", () => {
  const queue = newQueue({ fairness: plain("vtc") });
  for (const tenant of ["__proto__", "constructor"]) queue.add(plannedPacket({ tenant }), 0);
  assert.equal(serveAll(queue).length, 2);
});

test("limits come from the configuration", () => {
  const config = coreConfig();
  assert.deepEqual(queueLimits(config), {
    packetsMax: config.limits.queuePacketsMax,
    bytesMax: config.limits.queueBytesMax,
    ttlUs: config.timeouts.queueUs,
    slo: null,
  });
});
