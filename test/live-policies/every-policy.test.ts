import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { POLICY_KINDS } from "../../src/config/catalogues.ts";
import type { Signal } from "../../src/core/policy.ts";
import { TestGateway } from "../gateway/running-gateway.ts";
import type { Reading } from "../migration/reading.ts";
import { both, choiceOf, KINDS, type KindName, namesOf, needsOf } from "./choices.ts";
import { type Effect, EFFECTS } from "./effects.ts";
import { type Ask, type Patch, putPolicies, Stage } from "./stage.ts";
import { TAIL } from "./tail.ts";

/** Some of everything that requests may say. None of it may be turned away. */
const ASKS: Ask[] = [
  {},
  { streamed: false },
  { headers: { "x-headgate-priority": "high", "x-headgate-session": "talk" } },
  { headers: { "x-headgate-flow": "red", "x-headgate-session": "talk" }, streamed: false },
  { headers: { "x-headgate-ttft-ms": "500", "x-headgate-tpot-ms": "50" } },
  { headers: { "x-headgate-require": "capability=tools", "x-headgate-priority": "normal" } },
];

/** What has to be set for a signal to be there; null for what the fleet of this test has anyway. */
const GIVEN: Record<Signal, Patch | null> = {
  blocks: null,
  latency: null,
  cache_events: null,
  labels: null,
  slo: { placement: { slo: { ttft: 60, tpot: 10 } } },
};

/** What is said of a policy that goes by a signal that nobody produces; null for those that are always there. */
const REFUSALS: Record<Signal, RegExp | null> = {
  blocks: null,
  latency: null,
  cache_events: /goes by what caches hold, which only embedded workers report/,
  labels: /goes by labels, and no worker or remote has any/,
  slo: /goes by an SLO, and none is configured: set placement\.slo/,
};

function wordsOf(kind: KindName): string {
  return kind === "profile" ? "profile" : POLICY_KINDS[kind].words;
}

function describeEffect(effect: Effect | undefined): string {
  if (effect === undefined) return "is new";
  return typeof effect === "string" ? `answers all, and ${effect}` : effect.does;
}

function givenFor(kind: KindName, name: string): Patch {
  return needsOf(kind, name).reduce<Patch>((patch, signal) => both(patch, GIVEN[signal] ?? {}), {});
}

describe("a live fleet", () => {
  let stage: Stage;
  before(async () => {
    stage = await Stage.start();
  });
  after(() => stage.remove());

  /** Requests come before the policies change and behind that: all of them are answered. */
  async function serveThrough(patch: Patch): Promise<void> {
    const running: Promise<Reading>[] = ASKS.map((ask) => stage.ask(ask));
    await stage.put(patch);
    for (const ask of ASKS) running.push(stage.ask(ask));
    await Promise.all(running);
  }

  describe("by its policies", () => {
    afterEach(() => stage.put());

    for (const kind of KINDS) {
      for (const name of namesOf(kind)) {
        const effect = EFFECTS[kind][name];
        it(`${wordsOf(kind)} ${name} ${describeEffect(effect)}`, async () => {
          const given = givenFor(kind, name);
          await serveThrough(both(choiceOf(kind, name), given));
          assert.ok(
            effect !== undefined,
            `the ${wordsOf(kind)} "${name}" is new: say in effects.ts what shows that it is at work`,
          );
          if (typeof effect === "string") return;
          const { parameters, beside = {}, check } = effect;
          const policy = both(choiceOf(kind, name, parameters), both(given, beside));
          await stage.put(policy);
          await check(stage, policy);
        });
      }

      it(`expects no ${wordsOf(kind)} that is gone`, () => {
        assert.deepEqual(Object.keys(EFFECTS[kind]).toSorted(), namesOf(kind).toSorted());
      });
    }

    for (const [part, { does, patch, check }] of Object.entries(TAIL)) {
      it(`tail.${part} ${does}`, async () => {
        await serveThrough(patch);
        await check(stage);
      });
    }

    it("has every part of the tail", async () => {
      assert.deepEqual(Object.keys(TAIL).toSorted(), Object.keys((await stage.shown()).tail).toSorted());
    });

    it("takes nothing that goes by a hope for latency where there is none", async () => {
      const shown = await stage.shown();
      for (const kind of KINDS) {
        for (const name of namesOf(kind)) {
          if (!needsOf(kind, name).includes("slo")) continue;
          await refuses(await stage.tryPut(choiceOf(kind, name)), REFUSALS.slo!);
        }
      }
      assert.deepEqual(await stage.shown(), shown);
    });
  });

  it("has books that agree with what clients were given", () => stage.audit());
});

/** Fails unless the policies were not taken, for that reason. */
async function refuses(response: Response, reason: RegExp): Promise<void> {
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  assert.deepEqual([response.status, error.code], [400, "invalid_request"]);
  assert.match(error.message, reason);
}

describe("policies of a supervisor without workers, labels and hopes", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start({ sources: { workers: false, labels: false } });
  });
  after(() => gateway.close());

  for (const kind of KINDS) {
    for (const name of namesOf(kind)) {
      const reasons = needsOf(kind, name).flatMap((signal) => REFUSALS[signal] ?? []);
      it(`${wordsOf(kind)} ${name} is ${reasons.length > 0 ? "refused" : "taken"}`, async () => {
        const response = await putPolicies(gateway.url, choiceOf(kind, name));
        if (reasons.length === 0) assert.equal(response.status, 200, await response.text());
        else for (const reason of reasons) await refuses(response.clone(), reason);
      });
    }
  }
});
