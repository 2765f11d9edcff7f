import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { NO_HINTS } from "../../../src/core/events.ts";
import type { Endpoint } from "../../../src/core/fleet/endpoint.ts";
import type { Filter, Picker, Scorer } from "../../../src/core/placement/contracts.ts";
import * as batchPlacers from "../../../src/core/placement/policies/batch-placers/index.ts";
import { createProfile, FILTERS, PICKERS, PROFILES, SCORERS } from "../../../src/core/placement/profile.ts";
import { place } from "../../../src/core/placement/placement.ts";
import { createPolicy, parameterProblem, type PolicyDefinition } from "../../../src/core/policy.ts";
import { Random } from "../../../src/core/random.ts";
import { Situation } from "./situation.ts";

const CATALOGUES = { filter: FILTERS, scorer: SCORERS, picker: PICKERS };
const POLICIES: PolicyDefinition<string, unknown>[] = [
  ...Object.values(CATALOGUES).flatMap((each) => Object.values(each)),
  ...Object.values(batchPlacers),
];

describe("every definition", () => {
  for (const definition of [...POLICIES, ...Object.values(PROFILES)]) {
    it(`${definition.kind} ${definition.name} says what it is`, () => {
      assert.match(definition.name, /^[a-z]+(-[a-z]+)*$/);
      assert.match(definition.summary, /^[A-Z].{20,}\.$/s);
      assert(definition.formula !== "" || definition.name === "random");
    });
  }

  for (const definition of POLICIES) {
    it(`${definition.kind} ${definition.name} is made with its defaults, which are in their ranges`, () => {
      const defaults = Object.entries(definition.parameters).map(([name, parameter]) => [
        name,
        parameter.default,
      ]);
      assert.equal(parameterProblem(definition, Object.fromEntries(defaults)), null);
      for (const parameter of Object.values(definition.parameters)) assert.notEqual(parameter.summary, "");
      assert.equal(typeof definition.create(Object.fromEntries(defaults)), "object");
    });
  }

  for (const name of Object.keys(PROFILES)) {
    it(`profile ${name} is made of what there is`, () => {
      assert.equal(createProfile(name, { profiles: {} }).name, name);
    });
  }
});

/** A fleet after some traffic: who got which blocks and session, how far it is, and what was reported meanwhile. */
const traffic = fc.array(
  fc.record({
    worker: fc.nat(5),
    blocks: fc.array(fc.nat(6), { maxLength: 5 }),
    session: fc.option(fc.constantFrom("s", "t")),
    promptTokens: fc.nat(500),
    step: fc.constantFrom("sent", "read", "ended", "failed"),
    foreign: fc.nat(5),
    gapUs: fc.nat(20_000_000),
  }),
  { maxLength: 25 },
);

interface Traffic {
  worker: number;
  blocks: number[];
  session: string | null;
  promptTokens: number;
  step: string;
  foreign: number;
  gapUs: number;
}

function after(events: readonly Traffic[]): Situation {
  const world = new Situation();
  let sequence = 0;
  for (let i = 0; i <= 5; i++) world.reports(`w${i}`, { labels: { region: i % 2 === 0 ? "eu" : "us" } });
  for (const { worker, blocks, session, promptTokens, step, foreign, gapUs } of events) {
    world.nowUs += gapUs;
    const cache = { sequence: sequence++, stored: blocks, removed: [] };
    world.reports(`w${foreign % 6}`, { sessions: foreign, ownSessions: 0, kvBytes: foreign, cache });
    const attempt = world.sends(
      world.endpoints[worker]!,
      world.packet({ blocks, session }, { promptTokensMax: promptTokens }),
    );
    world.nowUs += gapUs / 2;
    if (step === "read" || step === "ended") world.reads(attempt, promptTokens / 2);
    if (step === "ended") world.signals.generated(attempt, 4, world.nowUs);
    if (step === "ended" || step === "failed") world.ends(attempt, step === "ended" ? "completed" : "failed");
  }
  world.slo = events.length % 2 === 0 ? null : { ttftUs: 100_000, tpotUs: 30_000 };
  return world;
}

const wanted = fc.record({
  blocks: fc.array(fc.nat(6), { maxLength: 6 }),
  session: fc.option(fc.constantFrom("s", "t")),
  promptTokensMax: fc.nat(500),
});

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const random = new Random(seed);
  return items
    .map((item) => ({ item, at: random.fraction() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

describe("after any traffic", () => {
  for (const name of Object.keys(SCORERS)) {
    it(`scores of ${name} lie in [0, 1] and do not depend on the order of candidates`, () => {
      fc.assert(
        fc.property(traffic, wanted, fc.nat(), (events, { promptTokensMax, ...hints }, seed) => {
          const world = after(events);
          const packet = world.packet(hints, { promptTokensMax });
          const scorer = createPolicy<Scorer>(SCORERS, { name, parameters: {} });
          const scoresOf = (endpoints: readonly Endpoint[]): Map<string, number> => {
            const scores = new Float64Array(endpoints.length).fill(Number.NaN);
            scorer.score(endpoints, packet, scores, world.context);
            return new Map(endpoints.map(({ id }, i) => [id, scores[i]!]));
          };
          const scores = scoresOf(world.endpoints);
          for (const [id, score] of scores) assert(score >= 0 && score <= 1, `${id}: ${score}`);
          const others = scoresOf(shuffled(world.endpoints, seed));
          for (const [id, score] of scores) assert.equal(others.get(id), score);
        }),
      );
    });
  }

  for (const name of Object.keys(FILTERS)) {
    it(`what ${name} keeps is in the order it was, and the same in any other`, () => {
      fc.assert(
        fc.property(traffic, wanted, fc.nat(), (events, { promptTokensMax, ...hints }, seed) => {
          const world = after(events);
          const packet = world.packet({ ...hints, labels: { region: "eu" } }, { promptTokensMax });
          const filter = createPolicy<Filter>(FILTERS, { name, parameters: {} });
          const kept = filter.filter(world.endpoints, packet, world.context);
          assert.deepEqual(
            kept,
            world.endpoints.filter((endpoint) => kept.includes(endpoint)),
          );
          const others = filter.filter(shuffled(world.endpoints, seed), packet, world.context);
          assert.deepEqual(new Set(others), new Set(kept));
        }),
      );
    });
  }

  for (const name of Object.keys(PICKERS)) {
    it(`${name} picks one of any number of candidates`, () => {
      const totals = fc.array(fc.double({ min: 0, max: 10, noNaN: true }), { minLength: 6, maxLength: 6 });
      fc.assert(
        fc.property(
          traffic,
          wanted,
          totals,
          fc.integer({ min: 1, max: 6 }),
          (events, { promptTokensMax, ...hints }, sums, count) => {
            const world = after(events);
            const packet = world.packet(hints, { promptTokensMax });
            const picker = createPolicy<Picker>(PICKERS, { name, parameters: {} });
            const candidates = world.endpoints.slice(0, count);
            const picked = picker.pick(
              candidates,
              packet,
              Float64Array.from(sums.slice(0, count)),
              world.context,
            );
            assert(Number.isInteger(picked) && picked >= 0 && picked < count, String(picked));
          },
        ),
      );
    });
  }

  for (const name of Object.keys(PROFILES)) {
    it(`profile ${name} finds a place whenever there is one`, () => {
      fc.assert(
        fc.property(traffic, wanted, (events, { promptTokensMax, ...hints }) => {
          const world = after(events);
          const packet = world.packet({ ...NO_HINTS, ...hints }, { promptTokensMax });
          const profile = createProfile(name, { profiles: {} });
          const endpoint = place(packet, world.endpoints, profile, world.context);
          assert(endpoint !== null && world.endpoints.includes(endpoint));
        }),
      );
    });
  }
});
