import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Endpoint } from "../../src/core/fleet/endpoint.ts";
import { Fleet } from "../../src/core/fleet/fleet.ts";
import { canTake, footprint, place, type PlacementProfile } from "../../src/core/placement/placement.ts";
import { leastRequest } from "../../src/core/placement/policies/least-request.ts";
import { sessionsKv } from "../../src/core/placement/policies/sessions-kv.ts";
import { PLACEMENT_POLICY_NAMES, placementPolicy } from "../../src/core/placement/registry.ts";
import type { Packet } from "../../src/core/request.ts";
import { attemptOn, coreConfig, heartbeat, plannedPacket } from "./fixtures.ts";

/** A worker as it reports itself, and how many packets it is sent before the one that matters. */
interface Situation {
  slots: number;
  sessionsMax: number;
  kvBytesMax: number;
  sessions: number;
  kvBytes: number;
  sent: number;
  wasTried: boolean;
}

const situation: fc.Arbitrary<Situation> = fc.record({
  slots: fc.integer({ min: 1, max: 7 }),
  sessionsMax: fc.nat(10),
  kvBytesMax: fc.integer({ min: 1, max: 200 }),
  sessions: fc.nat(4),
  kvBytes: fc.nat(100),
  sent: fc.nat(4),
  wasTried: fc.boolean(),
});

const fleets = fc.array(situation, { maxLength: 6, size: "max" });

function endpointsOf(situations: readonly Situation[], packet: Packet): readonly Endpoint[] {
  const fleet = new Fleet(coreConfig());
  for (const [index, each] of situations.entries()) {
    const { slots, sessionsMax, kvBytesMax, sessions, kvBytes, sent, wasTried } = each;
    const report = heartbeat(`w${index}`, 0);
    fleet.heartbeat(0, {
      ...report,
      limits: { sessionsMax, sessionKvBytesMax: 150, kvBytesMax },
      models: report.models.map((model) => ({ ...model, slots })),
      sessions,
      ownSessions: 0,
      kvBytes,
    });
    if (wasTried) packet.tried.add(`w${index}/m`);
    const endpoint = fleet.available("m")[index]!;
    for (let i = 0; i < sent; i++) fleet.occupy(attemptOn(endpoint, plannedPacket({})));
  }
  return fleet.available("m");
}

/** Sessions and KV cache on the worker, from what it was set up with. */
function loadOf({ sessions, kvBytes, sent }: Situation): { sessions: number; kvBytes: number } {
  const perSession = 10 + 8;
  return { sessions: sent + sessions, kvBytes: sent * perSession + (sessions > 0 ? kvBytes : 0) };
}

function scoresOf(profile: PlacementProfile, endpoints: readonly Endpoint[], packet: Packet): number[] {
  assert.equal(profile.scorers.length, 1);
  const scores = new Float64Array(endpoints.length);
  profile.scorers[0]!.scorer.score(endpoints, packet, scores);
  return [...scores];
}

test("least-request scores (max − n) ÷ (max − min), ties 1", () => {
  fc.assert(
    fc.property(fleets, (situations) => {
      const packet = plannedPacket({});
      const scores = scoresOf(leastRequest(), endpointsOf(situations, packet), packet);
      const counts = situations.map((each) => loadOf(each).sessions);
      const max = Math.max(...counts);
      const min = Math.min(...counts);
      const expected = counts.map((n) => (max === min ? 1 : (max - n) / (max - min)));
      assert.deepEqual(scores, expected);
    }),
  );
});

test("sessions-kv scores 1 − (0.6 · sessions% + 0.4 · KV%), within [0, 1] for whoever can take the packet", () => {
  fc.assert(
    fc.property(fleets, (situations) => {
      const packet = plannedPacket({});
      const endpoints = endpointsOf(situations, packet);
      const able = endpoints.filter((endpoint) => canTake(endpoint, packet));
      for (const [index, score] of scoresOf(sessionsKv(), able, packet).entries()) {
        const each = situations[endpoints.indexOf(able[index]!)]!;
        const { sessions, kvBytes } = loadOf(each);
        const load = 0.6 * (sessions / each.sessionsMax) + 0.4 * (kvBytes / each.kvBytesMax);
        assert.equal(score, 1 - load);
        assert(score >= 0 && score <= 1);
      }
    }),
  );
});

test("an endpoint can take a packet it has not failed, within slots, sessions and KV cache", () => {
  fc.assert(
    fc.property(fleets, (situations) => {
      const packet = plannedPacket({});
      for (const [index, endpoint] of endpointsOf(situations, packet).entries()) {
        const each = situations[index]!;
        const { sessions, kvBytes } = loadOf(each);
        const hasRoom =
          each.sent < each.slots &&
          sessions < each.sessionsMax &&
          kvBytes + footprint(packet, endpoint).sessionKvBytes <= each.kvBytesMax;
        assert.equal(canTake(endpoint, packet), hasRoom && !each.wasTried);
      }
    }),
  );
});

for (const name of PLACEMENT_POLICY_NAMES) {
  test(`${name} picks the best of those that can take the packet; among equals who was picked longest ago`, () => {
    fc.assert(
      fc.property(fleets, (situations) => {
        const packet = plannedPacket({});
        const endpoints = endpointsOf(situations, packet);
        const profile = placementPolicy(name);
        const able = endpoints.filter((endpoint) => canTake(endpoint, packet));
        const scores = scoresOf(profile, able, packet);
        const best = able.filter((_, index) => scores[index] === Math.max(...scores));
        const [first] = best.sort((a, b) => a.pickedAt - b.pickedAt);
        assert.equal(place(packet, endpoints, profile), first ?? null);
      }),
    );
  });

  test(`${name} spreads a burst over equal workers to within one`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(60), (workers, burst) => {
        const fleet = new Fleet(coreConfig());
        for (let i = 0; i < workers; i++) {
          const report = heartbeat(`w${i}`, 0);
          fleet.heartbeat(0, { ...report, models: report.models.map((model) => ({ ...model, slots: 60 })) });
        }
        for (let i = 0; i < burst; i++) {
          const packet = plannedPacket({});
          const endpoint = place(packet, fleet.available("m"), placementPolicy(name));
          fleet.occupy(attemptOn(endpoint!, packet));
        }
        const counts = Array.from(fleet.workers, ({ attempts }) => attempts.size);
        assert(Math.max(...counts) - Math.min(...counts) <= 1, counts.join("/"));
      }),
    );
  });
}

test("an unknown policy is refused with the names there are", () => {
  assert.throws(() => placementPolicy("constructor"), /least-request or sessions-kv/);
});
