import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Queue } from "../../src/core/queueing/queue.ts";
import type { Packet } from "../../src/core/request.ts";
import { coreConfig, plannedPacket } from "./fixtures.ts";

const MODELS = ["m", "k"];

const waiting = fc.record({
  model: fc.constantFrom(...MODELS),
  bodyBytes: fc.nat(500),
  wasTried: fc.boolean(),
});

test("a queue holds what was added and not removed, first come first served per model, retries first", () => {
  const step = fc.oneof(fc.record({ add: waiting }), fc.record({ remove: fc.nat(30) }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const queue = new Queue(coreConfig().limits);
      const everyone: Packet[] = [];
      let model: Packet[] = [];
      for (const each of steps) {
        if ("add" in each) {
          const { wasTried, ...changes } = each.add;
          const packet = plannedPacket(changes);
          if (wasTried) packet.attempts = 1;
          everyone.push(packet);
          queue.add(packet);
          model.push(packet);
        } else if (everyone.length > 0) {
          const packet = everyone[each.remove % everyone.length]!;
          assert.equal(queue.has(packet), model.includes(packet));
          assert.equal(queue.remove(packet), model.includes(packet));
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
  for (const name of MODELS) {
    const line = model.filter(({ request }) => request.model === name);
    const again = line.filter(({ attempts }) => attempts > 0);
    const fresh = line.filter(({ attempts }) => attempts === 0);
    assert.deepEqual([...queue.inOrder(name)], [...again, ...fresh]);
    assert.equal(queue.isWaiting(name), fresh.length > 0);
  }
}

test("a queue has room up to its limits, and both are kept exactly", () => {
  const limits = { ...coreConfig().limits, queuePacketsMax: 2, queueBytesMax: 100 };
  const queue = new Queue(limits);
  assert.equal(queue.hasRoom(100), true);
  assert.equal(queue.hasRoom(101), false);
  queue.add(plannedPacket({ bodyBytes: 60 }));
  assert.equal(queue.hasRoom(40), true);
  assert.equal(queue.hasRoom(41), false);
  queue.add(plannedPacket({ bodyBytes: 0 }));
  assert.equal(queue.hasRoom(0), false);
});

test("packets may leave while the line is walked", () => {
  const queue = new Queue(coreConfig().limits);
  const packets = [1, 2, 3].map(() => plannedPacket({}));
  for (const packet of packets) queue.add(packet);
  const seen: Packet[] = [];
  for (const packet of queue.inOrder("m")) {
    seen.push(packet);
    queue.remove(packet);
  }
  assert.deepEqual(seen, packets);
  assert.equal(queue.packets, 0);
});
