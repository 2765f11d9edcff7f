import assert from "node:assert/strict";
import { test } from "node:test";
import { catalogueOf } from "../../../src/core/policy.ts";
import { mostFreeSlots } from "./most-free-slots.ts";
import { Situation } from "./situation.ts";

test("most-free-slots scores the share of slots that is free", () => {
  const world = new Situation({}, { scorers: catalogueOf([mostFreeSlots]) });
  world.sends(world.reports("a", { slots: 4 }));
  world.reports("b", { slots: 2 });
  assert.deepEqual(world.scores("most-free-slots", world.packet()), { a: 0.75, b: 1 });
  assert.deepEqual(world.scores("most-free-slots", world.packet(), { power: 2 }), { a: 0.5625, b: 1 });
});
