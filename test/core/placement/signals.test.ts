import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { CacheReport } from "../../../src/core/events.ts";
import { LineFit } from "../../../src/core/placement/signals/line-fit.ts";
import { PlaneFit } from "../../../src/core/placement/signals/plane-fit.ts";
import { Slowness } from "../../../src/core/placement/signals/slowness.ts";
import { Random } from "../../../src/core/random.ts";
import type { Attempt } from "../../../src/core/request.ts";
import { seconds } from "../../../src/core/units.ts";
import { heartbeat } from "../fixtures.ts";
import { Situation } from "./situation.ts";

const TRUST_US = seconds(15);

describe("work in flight", () => {
  it("counts from dispatch, is corrected when the prompt is read, and ends", () => {
    const world = new Situation();
    const a = world.reports("a");
    const { load } = a.worker;
    const attempt = world.sends(a, world.packet({}, { promptTokensMax: 100 }));
    assert.deepEqual(
      [load.prefilling, load.prefillTokens, load.decoding, load.contextTokens],
      [1, 100, 0, 100],
    );
    attempt.prompt = { tokens: 80, cached: 0 };
    world.signals.started(attempt, world.nowUs);
    assert.deepEqual([load.prefilling, load.prefillTokens, load.decoding, load.contextTokens], [0, 0, 1, 80]);
    world.signals.generated(attempt, 5, world.nowUs);
    assert.equal(load.contextTokens, 85);
    world.ends(attempt);
    assert.deepEqual([load.prefilling, load.prefillTokens, load.decoding, load.contextTokens], [0, 0, 0, 0]);
    assert.equal(world.signals.size.attempts, 0);
  });

  it("is what is left of it, whatever the order of events", () => {
    const event = fc.record({
      kind: fc.constantFrom("send", "read", "token", "end", "restart"),
      which: fc.nat(20),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const world = new Situation();
        const endpoints = ["a", "b"].map((id) => world.reports(id));
        let running: Attempt[] = [];
        let epoch = 1;
        const outcomes = ["completed", "failed", "cancelled"] as const;
        for (const { kind, which } of events) {
          world.nowUs += 1_000;
          const attempt = running[which % Math.max(1, running.length)];
          if (kind === "send") {
            const packet = world.packet({ blocks: [which % 3, which % 5], session: `s${which % 4}` });
            running.push(world.sends(endpoints[which % 2]!, packet));
          } else if (kind === "restart") {
            world.reports("a", { epoch: String(++epoch) });
          } else if (attempt !== undefined) {
            if (kind === "read") world.reads(attempt, which);
            if (kind === "token") world.signals.generated(attempt, 1, world.nowUs);
            if (kind === "end") {
              world.ends(attempt, outcomes[which % outcomes.length]);
              running = running.filter((other) => other !== attempt);
            }
          }
          for (const { worker } of endpoints) {
            assert(worker.load.prefillTokens >= 0 && worker.load.contextTokens >= 0);
            assert.equal(worker.load.prefilling + worker.load.decoding, worker.attempts.size);
          }
        }
        for (const attempt of running) world.ends(attempt);
        for (const { worker } of endpoints) {
          assert.deepEqual(
            [worker.load.prefillTokens, worker.load.decoding, worker.load.contextTokens],
            [0, 0, 0],
          );
        }
      }),
    );
  });

  it("takes off what there has been time for since the last prompt was read, one prompt at most", () => {
    const world = new Situation();
    const a = world.reports("a");
    world.sends(a);
    world.sends(a, world.packet({}, { promptTokensMax: 300 }));
    assert.equal(world.signals.prefillTokens(a, world.nowUs), 400);
    // 100 µs for a token as long as nothing is known.
    world.nowUs += 5_000;
    assert.equal(world.signals.prefillTokens(a, world.nowUs), 350);
    world.nowUs += seconds(1);
    assert.equal(world.signals.prefillTokens(a, world.nowUs), 200);
  });

  it("has only what has to be computed of an answer that goes on: nothing where its KV state can be loaded", () => {
    const world = new Situation();
    const [a, b] = ["a", "b"].map((id) => world.reports(id));
    const packet = world.packet();
    const state = { worker: "c", fingerprint: "f" };
    packet.carried = { attempt: "r1/0#1", tokens: 20, prompt: null, modelHash: null, state };
    a!.stateFingerprint = "f";
    assert.equal(world.signals.uncachedTokens(a!, packet, 0), 1);
    assert.equal(world.signals.uncachedTokens(b!, packet, 0), 120);
  });

  it("is reckoned by how long prompts turned out against their bound", () => {
    const world = new Situation();
    const [a, b] = ["a", "b"].map((id) => world.reports(id));
    const attempt = world.sends(a!, world.packet({}, { promptTokensMax: 400 }));
    attempt.prompt = { tokens: 100, cached: 0 };
    world.signals.started(attempt, 0);
    assert.equal(world.signals.uncachedTokens(b!, world.packet({}, { promptTokensMax: 400 }), 0), 100);
  });
});

describe("load of others", () => {
  it("is believed while the report is fresh, and fades into the fleet's mean", () => {
    const world = new Situation();
    const a = world.reports("a", { sessions: 8, ownSessions: 0 });
    world.reports("b", { sessions: 0 });
    const at = (us: number): number => world.signals.sessions(a.worker, us);
    assert.equal(at(TRUST_US), 8);
    assert.equal(at(2 * TRUST_US), 0.5 * 8 + 0.5 * 4);
    assert.equal(at(3 * TRUST_US), 0.25 * 8 + 0.75 * 4);
    // Our own is never in doubt.
    world.sends(a);
    assert.equal(at(3 * TRUST_US), 1 + 0.25 * 8 + 0.75 * 4);
  });

  it("of a worker that is gone is nobody's mean", () => {
    const world = new Situation();
    const a = world.reports("a", { sessions: 8, ownSessions: 0 });
    const b = world.reports("b", { sessions: 4, ownSessions: 0 });
    world.signals.forgot(b.worker);
    assert.equal(world.signals.sessions(a.worker, 2 * TRUST_US), 8);
  });
});

const CHAIN = [1, 2, 3, 4];

/** How much of the chain the only worker is thought to hold. */
function share(world: Situation): number {
  return world.signals.heldShare(world.endpoints[0]!, world.packet({ blocks: CHAIN }), world.nowUs);
}

function stored(sequence: number, ...blocks: number[]): { cache: CacheReport } {
  return { cache: { sequence, stored: blocks, removed: [] } };
}

describe("what workers say of their caches", () => {
  it("is doubted after a gap, until a report says all there is; what was sent stands in", () => {
    const world = new Situation();
    world.reports("a", stored(0, 1, 2, 3));
    assert.equal(share(world), 0.75);
    world.reports("a", stored(2, 4));
    assert.equal(share(world), 0);
    world.reports("a", stored(3, 4));
    assert.equal(share(world), 0);
    world.sends(world.endpoints[0]!, world.packet({ blocks: [1] }));
    assert.equal(share(world), 0.25);
    world.reports("a", stored(0, 1, 2));
    assert.equal(share(world), 0.5);
  });

  it("is doubted while the last report is old", () => {
    const world = new Situation();
    const a = world.reports("a", stored(0, 1, 2, 3));
    world.sends(a, world.packet({ blocks: [1] }));
    world.nowUs = TRUST_US;
    assert.equal(share(world), 0.75);
    world.nowUs++;
    assert.equal(share(world), 0.25);
    world.reports("a", stored(1));
    assert.equal(share(world), 0.75);
  });

  it("a first report that is not the first is no account of the cache", () => {
    const world = new Situation();
    world.reports("a", stored(7, 1, 2, 3));
    assert.equal(share(world), 0);
  });

  it("counts what was sent since, unless it was not read to its end", () => {
    const world = new Situation();
    const a = world.reports("a", stored(0, 1));
    const attempt = world.sends(a, world.packet({ blocks: CHAIN }));
    assert.equal(share(world), 1);
    world.ends(attempt, "failed");
    assert.equal(share(world), 0.25);
  });

  it("keeps what is on its way through a report of all there is, but not for ever", () => {
    const world = new Situation();
    const a = world.reports("a", stored(0, 1));
    world.sends(a, world.packet({ blocks: CHAIN }));
    world.reports("a", stored(0, 1, 2));
    assert.equal(share(world), 1);
    world.nowUs = TRUST_US + 1;
    world.reports("a", stored(1));
    assert.equal(share(world), 0.5);
  });

  it("is nothing after a restart", () => {
    const world = new Situation();
    const a = world.reports("a", stored(0, 1, 2, 3));
    world.sends(a, world.packet({ blocks: CHAIN }));
    world.reports("a", { epoch: "2" });
    assert.equal(share(world), 0);
    assert.equal(world.signals.size.blocks, 0);
    assert.equal(a.worker.load.prefilling, 1);
  });
});

describe("what was sent where", () => {
  it("is forgotten by last use once the KV cache is full", () => {
    const world = new Situation();
    const limits = { sessionsMax: 100, sessionKvBytesMax: 1_000, kvBytesMax: 30 };
    const a = world.reports("a", { limits });
    world.sends(a, world.packet({ blocks: [1, 2] }));
    world.sends(a, world.packet({ blocks: [3] }));
    world.sends(a, world.packet({ blocks: [1, 2] }));
    world.sends(a, world.packet({ blocks: [4] }));
    assert.equal(world.signals.sentShare(a, world.packet({ blocks: [3] })), 0);
    assert.equal(world.signals.sentShare(a, world.packet({ blocks: [1, 2] })), 1);
    assert.equal(world.signals.size.blocks, 3);
  });

  it("is looked up anew after every change, for the same request too", () => {
    const world = new Situation();
    const [a, b] = ["a", "b"].map((id) => world.reports(id));
    const packet = world.packet({ blocks: CHAIN });
    world.sends(a!, world.packet({ blocks: [1] }));
    assert.deepEqual([world.signals.sentShare(a!, packet), world.signals.sentShare(b!, packet)], [0.25, 0]);
    world.sends(b!, world.packet({ blocks: [1, 2] }));
    assert.deepEqual([world.signals.sentShare(a!, packet), world.signals.sentShare(b!, packet)], [0.25, 0.5]);
    world.signals.forgot(b!.worker);
    assert.deepEqual([world.signals.sentShare(a!, packet), world.signals.sentShare(b!, packet)], [0.25, 0]);
  });

  it("never takes more than its share of the blocks that may be remembered", () => {
    const world = new Situation({ prefix: { blockTokens: 10, blocksMax: 10 } });
    const endpoints = ["a", "b", "c"].map((id) => world.reports(id));
    for (let i = 0; i < 90; i++) world.sends(endpoints[i % 3]!, world.packet({ blocks: [i, i + 1_000] }));
    assert.equal(world.signals.size.blocks, 9);
  });

  it("goes with a model that is served no more", () => {
    const world = new Situation();
    const a = world.reports("a");
    world.ends(world.sends(a, world.packet({ blocks: [1, 2] })));
    assert.equal(world.signals.size.blocks, 2);
    const other = { model: "other", contextTokens: 100, slots: 1, kvBytesPerToken: 1 };
    world.hears({ ...heartbeat("a", world.nowUs), models: [other] });
    assert.equal(world.signals.size.blocks, 0);
  });
});

describe("sessions", () => {
  it("are remembered up to a number, and for a time", () => {
    const signals = { trustUs: TRUST_US, sessionsMax: 2, sessionTtlUs: 1_000 };
    const world = new Situation({ signals });
    const a = world.reports("a");
    const holder = (session: string): string | undefined =>
      world.signals.holder(world.packet({ session }), world.nowUs)?.worker.id;
    for (const session of ["s", "t", "s", "u"]) world.sends(a, world.packet({ session }));
    assert.deepEqual([holder("s"), holder("t"), holder("u")], ["a", undefined, "a"]);
    assert.equal(world.signals.size.sessions, 2);
    world.nowUs += 1_000;
    assert.equal(holder("s"), "a");
    world.nowUs++;
    assert.equal(holder("s"), undefined);
  });

  it("count what they hold as cached, for requests that come without blocks", () => {
    const world = new Situation();
    const [a, b] = ["a", "b"].map((id) => world.reports(id));
    const attempt = world.reads(world.sends(a!, world.packet({ session: "s" })));
    world.signals.generated(attempt, 20, world.nowUs);
    world.ends(attempt);
    const next = world.packet({ session: "s" }, { promptTokensMax: 150 });
    assert.equal(world.signals.uncachedTokens(a!, next, 0), 30);
    assert.equal(world.signals.uncachedTokens(b!, next, 0), 150);
  });
});

describe("latencies", () => {
  it("are predicted from those seen: a + b · tokens to the first, c + d · sequences for each further one", () => {
    const world = new Situation();
    const a = world.reports("a");
    for (let i = 1; i <= 20; i++) {
      const promptTokensMax = 100 * i;
      const attempt = world.sends(a, world.packet({}, { promptTokensMax }));
      world.nowUs += 3_000 + 50 * promptTokensMax;
      world.reads(attempt);
      world.signals.generated(attempt, 1, world.nowUs);
      world.nowUs += 10_000 * 7;
      world.signals.generated(attempt, 7, world.nowUs);
      world.ends(attempt);
    }
    const ttftUs = world.signals.ttftUs(a, world.packet({}, { promptTokensMax: 1_000 }), world.nowUs);
    assert(Math.abs(ttftUs - 53_000) < 100, String(ttftUs));
    assert(Math.abs(world.signals.tpotUs(a, world.nowUs) - 10_000) < 1);
    // Where nothing was seen yet, those of the same model elsewhere.
    const b = world.reports("b");
    assert.equal(world.signals.ttftUs(b, world.packet({}, { promptTokensMax: 1_000 }), world.nowUs), ttftUs);
  });

  it("a line through samples on a line is that line", () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.nat(100), fc.array(fc.nat(10_000), { minLength: 5 }), (a, b, xs) => {
        fc.pre(Math.max(...xs) - Math.min(...xs) > 100);
        const fit = new LineFit();
        for (const x of xs) fit.add(x, a + b * x);
        const scale = 1 + a + b * Math.max(...xs);
        for (const x of xs) assert(Math.abs(fit.at(x) - (a + b * x)) <= 1e-3 * scale);
      }),
    );
  });

  it("prompts that are all alike do not make long ones free", () => {
    const world = new Situation();
    const a = world.reports("a");
    for (let i = 0; i < 20; i++) {
      const attempt = world.sends(a);
      world.nowUs += 5_000;
      world.ends(world.reads(attempt));
    }
    const readingUs = (promptTokensMax: number): number =>
      world.signals.readingUs(a, world.packet({}, { promptTokensMax }), world.nowUs).own;
    assert(readingUs(200) > readingUs(100) && readingUs(100) > 0);
  });

  it("reading a long prompt takes longer by its square: tokens and squares are told apart", () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.nat(100), fc.nat(50), (a, b, c) => {
        const fit = new PlaneFit();
        const random = new Random(a);
        for (let i = 0; i < 100; i++) {
          const x = random.between(0, 1_000);
          const z = random.between(0, 1_000);
          fit.add({ x, z, y: a + b * x + c * z });
        }
        const scale = 1 + a + 1_000 * (b + c);
        assert(Math.abs(fit.at(700, 300) - (a + 700 * b + 300 * c)) <= 1e-3 * scale);
      }),
    );
  });

  it("a plane never falls, and stays finite whatever comes", () => {
    const sample = fc.record({ x: fc.nat(1_000), z: fc.nat(1_000), y: fc.nat(1_000) });
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1 }), (samples) => {
        const fit = new PlaneFit();
        for (const each of samples) fit.add(each);
        assert(fit.slopeX >= 0 && fit.slopeZ >= 0 && fit.at(0, 0) >= 0 && fit.at(1e9, 1e9) < Infinity);
      }),
    );
  });

  it("an endpoint twice as slow as its model's others is known to be, one a little slower is not", () => {
    const slow = new Slowness();
    const alike = new Slowness();
    assert.equal(slow.factor, 1);
    for (let i = 0; i < 500; i++) {
      slow.add(200, 100);
      alike.add(115, 100);
    }
    assert(slow.factor > 1.7 && slow.factor <= 2, String(slow.factor));
    assert.equal(alike.factor, 1);
  });

  it("a line never falls, never goes below 0, and follows what changes", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1_000), fc.nat(1_000)), { minLength: 1 }), (samples) => {
        const fit = new LineFit();
        for (const [x, y] of samples) fit.add(x, y);
        assert(fit.slope >= 0 && fit.at(0) >= -1e-9 && fit.at(1e9) < Infinity);
      }),
    );
    const fit = new LineFit();
    for (let i = 0; i < 300; i++) fit.add(i % 10, 100);
    for (let i = 0; i < 300; i++) fit.add(i % 10, 500);
    assert(Math.abs(fit.at(5) - 500) < 5);
    fit.add(Infinity, 1);
    fit.add(1, Number.NaN);
    assert.equal(fit.samples, 600);
  });
});
