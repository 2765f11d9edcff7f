import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canTake, footprint, isWorthTrying, place } from "../../../src/core/placement/placement.ts";
import { lifeOf } from "../../../src/core/dispatching/carrying.ts";
import { createProfile, type PlacementProfile } from "../../../src/core/placement/profile.ts";
import { plannedPacket } from "../fixtures.ts";
import { Situation } from "./situation.ts";

/** A worker as it reports itself, and how many packets it is sent before the one that matters. */
interface Case {
  slots: number;
  sessionsMax: number;
  kvBytesMax: number;
  sessions: number;
  kvBytes: number;
  sent: number;
  wasTried: boolean;
  region: string | undefined;
}

const cases: fc.Arbitrary<Case[]> = fc.array(
  fc.record({
    slots: fc.integer({ min: 1, max: 7 }),
    sessionsMax: fc.nat(10),
    kvBytesMax: fc.integer({ min: 1, max: 200 }),
    sessions: fc.nat(4),
    kvBytes: fc.nat(100),
    sent: fc.nat(4),
    wasTried: fc.boolean(),
    region: fc.constantFrom("eu", "us, eu", "us", undefined),
  }),
  { maxLength: 6, size: "max" },
);

/** A packet of 10 tokens of prompt and 8 of answer, which takes 18 bytes. */
const PACKET_BYTES = 18;

function worldOf(all: readonly Case[]): Situation {
  const world = new Situation();
  for (const [index, each] of all.entries()) {
    const { slots, sessionsMax, kvBytesMax, sessions, kvBytes, sent, region } = each;
    const endpoint = world.reports(`w${index}`, {
      limits: { sessionsMax, sessionKvBytesMax: 150, kvBytesMax },
      labels: region === undefined ? {} : { region },
      slots,
      sessions,
      ownSessions: 0,
      kvBytes,
    });
    for (let i = 0; i < sent; i++) world.sends(endpoint, plannedPacket({}));
  }
  return world;
}

test("an endpoint can take a packet it has not failed, with its labels, within slots, sessions and KV cache", () => {
  fc.assert(
    fc.property(cases, fc.boolean(), (all, asksForRegion) => {
      const world = worldOf(all);
      const packet = world.packet({ labels: asksForRegion ? { region: "eu" } : {} }, { promptTokensMax: 10 });
      for (const [index, endpoint] of world.endpoints.entries()) {
        const each = all[index]!;
        if (each.wasTried) packet.tried.add(lifeOf(endpoint));
        const kvBytes = each.sent * PACKET_BYTES + (each.sessions > 0 ? each.kvBytes : 0);
        assert.equal(footprint(packet, endpoint).sessionKvBytes, PACKET_BYTES);
        const hasRoom =
          each.sent < each.slots &&
          each.sent + each.sessions < each.sessionsMax &&
          kvBytes + PACKET_BYTES <= each.kvBytesMax;
        const isRight = !asksForRegion || (each.region?.includes("eu") ?? false);
        assert.equal(isWorthTrying(endpoint, packet), isRight && !each.wasTried);
        assert.equal(canTake(endpoint, packet), hasRoom && isRight && !each.wasTried);
      }
    }),
  );
});

for (const name of ["least-request", "sessions-kv", "round-robin", "token-load", "standard"]) {
  test(`${name} spreads a burst over equal workers to within one`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(60), (workers, burst) => {
        const world = new Situation();
        for (let i = 0; i < workers; i++) world.reports(`w${i}`);
        const profile = createProfile(name, { profiles: {} });
        for (let i = 0; i < burst; i++) {
          const packet = world.packet();
          world.sends(place(packet, world.endpoints, profile, world.context)!, packet);
        }
        const counts = Array.from(world.fleet.workers, ({ attempts }) => attempts.size);
        assert(Math.max(...counts) - Math.min(...counts) <= 1, counts.join("/"));
      }),
    );
  });
}

test("a full fleet has no place", () => {
  const world = new Situation();
  const profile = createProfile("standard", { profiles: {} });
  assert.equal(place(world.packet(), world.endpoints, profile, world.context), null);
  world.sends(world.reports("a", { slots: 1 }));
  assert.equal(place(world.packet(), world.endpoints, profile, world.context), null);
});

test("filters hold even where only one endpoint has room", () => {
  const world = new Situation();
  world.reports("a", { labels: { region: "us" } });
  const filters = [{ name: "region", parameters: { usual: "eu" } }];
  const mine = { filters, scorers: [], picker: { name: "round-robin", parameters: {} } };
  const profile = createProfile("mine", { profiles: { mine } });
  assert.equal(place(world.packet(), world.endpoints, profile, world.context), null);
});

/** Load against affinity of that weight. */
function weighted(weight: number): PlacementProfile {
  const scorers = [
    { name: "least-request", parameters: {}, weight: 1 },
    { name: "session-affinity", parameters: {}, weight },
  ];
  const mine = { filters: [], scorers, picker: { name: "max-score", parameters: {} } };
  return createProfile("mine", { profiles: { mine } });
}

test("scores are added up by weight", () => {
  const world = new Situation();
  const [a, b] = ["a", "b"].map((id) => world.reports(id));
  world.sends(a!, world.packet({ session: "s" }));
  const packet = world.packet({ session: "s" });
  assert.equal(place(packet, world.endpoints, weighted(2), world.context), a);
  assert.equal(place(packet, world.endpoints, weighted(0.5), world.context), b);
});
