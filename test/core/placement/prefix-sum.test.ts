import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { prefixSum } from "../../../src/core/placement/policies/batch-placers/prefix-sum.ts";
import { canTake } from "../../../src/core/placement/placement.ts";
import type { Packet } from "../../../src/core/request.ts";
import { Situation } from "./situation.ts";

function fleetWithSlots(slots: readonly number[]): Situation {
  const world = new Situation();
  for (const [i, each] of slots.entries()) world.reports(`w${i}`, { slots: each });
  return world;
}

function assign(world: Situation, packets: readonly Packet[]): number[] {
  return [...prefixSum.create({}).assign(packets, world.endpoints, { ...world.context, mayTake: canTake })];
}

describe("prefix-sum", () => {
  it("fills free slots in order when there are as many packets", () => {
    const world = fleetWithSlots([2, 1, 3]);
    world.sends(world.endpoints[2]!);
    assert.deepEqual(
      assign(
        world,
        Array.from({ length: 6 }, () => world.packet()),
      ),
      [0, 0, 1, 2, 2, -1],
    );
  });

  it("gives shares in proportion to free slots when there are fewer", () => {
    const world = fleetWithSlots([8, 4]);
    assert.deepEqual(
      assign(
        world,
        Array.from({ length: 3 }, () => world.packet()),
      ),
      [0, 0, 1],
    );
  });

  it("sends a packet on where it cannot go", () => {
    const world = fleetWithSlots([2, 2]);
    const packet = world.packet({ labels: { region: "eu" } });
    world.reports("w1", { slots: 2, labels: { region: "eu" } });
    assert.deepEqual(assign(world, [packet, packet, packet]), [1, 1, -1]);
  });

  it("places nothing on no endpoint", () => {
    const world = fleetWithSlots([]);
    assert.deepEqual(assign(world, [world.packet()]), [-1]);
  });

  it("places as many as fit, and never more than fit anywhere", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 6 }), fc.nat(30), (slots, count) => {
        const world = fleetWithSlots(slots);
        const assigned = assign(
          world,
          Array.from({ length: count }, () => world.packet()),
        );
        for (const [i, most] of slots.entries())
          assert(assigned.filter((index) => index === i).length <= most);
        const total = slots.reduce((sum, each) => sum + each, 0);
        assert.equal(assigned.filter((index) => index >= 0).length, Math.min(count, total));
      }),
    );
  });
});
