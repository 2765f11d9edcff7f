/** Slices of several supervisors, many at a time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Charge, NOTHING } from "../../../src/core/budget/charge.ts";
import { seconds } from "../../../src/core/units.ts";
import { type Replica, Replicas } from "./replicas.ts";

const START_US = seconds(1_700_000_000);
const ONE_REQUEST: Charge = { ...NOTHING, requests: 1 };

function open(world: Replicas, replica: Replica, account: string, payer: string): string {
  const opening = { payer, amounts: ONE_REQUEST, ttlUs: seconds(60), priority: null };
  return world.askSlice(replica, { account, action: "open", ...opening });
}

function statusOf(world: Replicas, replica: Replica, account: string): string | undefined {
  const ask = world.askSlice(replica, { account, action: "show" });
  world.settle();
  return world.told.get(ask)?.slice?.status;
}

test("slices that expire together are closed some at a time, and all in the end", () => {
  const world = new Replicas([], { nowUs: START_US, openMax: 1_000 });
  const [one, other] = [world.start(0), world.start(0)];
  const accounts = Array.from({ length: 600 }, (_, i) => `global/a/k/s${i}`);
  for (const account of accounts) open(world, one, account, "global/a/k");
  world.settle();
  // Of those that are being closed the second supervisor has not been heard of.
  world.wait(seconds(61));
  const closing = (): number => other.channel.toReplica.filter(({ kind }) => kind === "slice_closing").length;
  assert.equal(closing(), 256);
  world.read(one);
  world.hear(one);
  world.read(one);
  assert.equal(world.wait(seconds(1)), null, "nobody has to look before they are closed");
  assert.equal(closing(), 256);
  for (let rounds = 0; rounds < 3; rounds++) {
    world.settle();
    world.wait(0);
  }
  world.settle();
  for (const account of accounts) assert.equal(statusOf(world, one, account), "closed");
});

test("a slice is closed when its time is over by the ledger's clock, and nobody looks every moment until that goes on", () => {
  const aheadUs = seconds(3_600);
  const world = new Replicas([], { nowUs: START_US, clockUs: START_US + aheadUs });
  const replica = world.start(0);
  open(world, replica, "global/a/k/s", "global/a/k");
  world.settle();
  const expiresUs = START_US + aheadUs + seconds(60);
  assert.equal(world.wait(seconds(60)), expiresUs);
  assert.equal(world.wait(seconds(3_000)), expiresUs);
  world.settle();
  assert.equal(statusOf(world, replica, "global/a/k/s"), "open");
  world.wait(seconds(600));
  world.settle();
  assert.equal(statusOf(world, replica, "global/a/k/s"), "closed");
});

test("openings that wait in line are limited when they are asked for", () => {
  const world = new Replicas([], { nowUs: START_US, openMax: 30 });
  const [one, deaf] = [world.start(0), world.start(0)];
  // The second supervisor has not said yet that it knows of the first: so those inside it wait.
  open(world, one, "global/a/k/s", "global/a/k");
  const inside = Array.from({ length: 29 }, (_, i) => open(world, one, `global/a/k/s/t${i}`, "global/a/k"));
  const tooMany = open(world, one, "global/b/k/s", "global/b/k");
  world.read(one);
  world.hear(one);
  world.read(one);
  assert.equal(world.told.get(tooMany)?.error?.code, "capacity");
  assert(inside.every((ask) => !world.told.has(ask)));
  world.kill(deaf);
  world.settle();
  // Of what the outer one has there is enough for one inside.
  const opened = inside.filter((ask) => world.told.get(ask)?.slice !== null);
  assert.deepEqual(opened, [inside[0]]);
  const again = open(world, one, "global/b/k/s", "global/b/k");
  world.settle();
  assert.equal(world.told.get(again)?.slice?.status, "open");
});
