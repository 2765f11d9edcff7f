import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { schedulingOf } from "../../../src/core/default-scheduling.ts";
import type { PlacementConfig, ProfileConfig } from "../../../src/core/config.ts";
import { Placement } from "../../../src/core/placement/placing.ts";
import { Random } from "../../../src/core/random.ts";
import type { Packet } from "../../../src/core/request.ts";
import type { WorkerRole } from "../../../src/core/vocabulary.ts";
import { Situation } from "./situation.ts";

const BATCHES: ProfileConfig = {
  filters: [],
  scorers: [],
  picker: { name: "max-score", parameters: {} },
  batch: { name: "prefix-sum", parameters: {} },
};

function placementOf(changes: Partial<PlacementConfig>): Placement {
  const scheduling = schedulingOf("sessions-kv");
  const placement = { ...scheduling.placement, profile: "mine", profiles: { mine: BATCHES }, ...changes };
  return new Placement({ scheduling: { ...scheduling, placement } }, new Random(1));
}

/** Where each packet goes, by the name of the worker. */
function placed(placement: Placement, world: Situation, packets: readonly Packet[]): string[] {
  const places = placement.placeBatch(packets, world.endpoints, 0);
  return packets.map((packet) => places.get(packet)?.worker.id ?? "nowhere");
}

describe("what waits is placed together", () => {
  it("on endpoints that the profile's filters let through alone", () => {
    const world = new Situation();
    for (const id of ["a", "b", "c"])
      world.reports(id, { slots: 2, labels: id === "b" ? { compliance: "gdpr" } : {} });
    const filters = [{ name: "compliance", parameters: { usual: "gdpr" } }];
    const placement = placementOf({ profiles: { mine: { ...BATCHES, filters } } });
    const packets = [world.packet(), world.packet(), world.packet()];
    assert.deepEqual(placed(placement, world, packets), ["b", "b", "nowhere"]);
  });

  it("by the workers' roles: long prompts where prompts are read, short ones where answers are given", () => {
    const world = new Situation();
    const roles: [string, WorkerRole][] = [
      ["reader", "prefill"],
      ["writer", "decode"],
    ];
    for (const [id, role] of roles) world.reports(id, { slots: 4, role });
    const placement = placementOf({ splitTokensMin: 50 });
    const long = world.packet({}, { promptTokensMax: 100 });
    const short = world.packet({}, { promptTokensMax: 10 });
    assert.deepEqual(placed(placement, world, [long, short, long, short]), [
      "reader",
      "writer",
      "reader",
      "writer",
    ]);
  });

  it("but for those that another profile is tried on", () => {
    const world = new Situation();
    world.reports("a", { slots: 4 });
    const placement = placementOf({ canary: { profile: "least-request", share: 0.5 } });
    const [usual, canary] = [world.packet(), world.packet()];
    Object.assign(usual.request, { profile: "mine" });
    Object.assign(canary.request, { profile: "least-request" });
    assert.deepEqual(placed(placement, world, [usual, canary]), ["a", "nowhere"]);
  });
});
