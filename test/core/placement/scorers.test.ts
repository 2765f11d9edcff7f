import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seconds } from "../../../src/core/units.ts";
import { Situation } from "./situation.ts";

describe("least-request", () => {
  it("scores (max − n) ÷ (max − min)", () => {
    const world = new Situation();
    const [, b, c] = ["a", "b", "c"].map((id) => world.reports(id));
    world.sends(b!);
    for (let i = 0; i < 4; i++) world.sends(c!);
    assert.deepEqual(world.scores("least-request", world.packet()), { a: 1, b: 0.75, c: 0 });
  });

  it("scores 1 for all where all are equal", () => {
    const world = new Situation();
    for (const id of ["a", "b"]) world.sends(world.reports(id));
    assert.deepEqual(world.scores("least-request", world.packet()), { a: 1, b: 1 });
  });

  it("counts what others have there, by the last report", () => {
    const world = new Situation();
    world.reports("a", { sessions: 3, ownSessions: 0 });
    world.sends(world.reports("b"));
    assert.deepEqual(world.scores("least-request", world.packet()), { a: 0, b: 1 });
  });
});

describe("sessions-kv", () => {
  it("scores 1 − (0.6 · sessions% + 0.4 · KV%)", () => {
    const world = new Situation();
    const limits = { sessionsMax: 10, sessionKvBytesMax: 1_000, kvBytesMax: 1_000 };
    world.reports("a", { limits, sessions: 5, ownSessions: 0, kvBytes: 250 });
    const b = world.reports("b", { limits });
    // A prompt of 92 tokens and an answer of 8, at 1 byte each.
    world.sends(b, world.packet({}, { promptTokensMax: 92 }));
    const scores = world.scores("sessions-kv", world.packet());
    assert.deepEqual(scores, { a: 1 - (0.6 * 0.5 + 0.4 * 0.25), b: 1 - (0.6 * 0.1 + 0.4 * 0.1) });
  });
});

describe("least-loaded-ema", () => {
  it("scores by the moving average of latency, α = 0.2", () => {
    const world = new Situation();
    const answerAfter = (id: string, us: number): void => {
      const attempt = world.reads(world.sends(world.reports(id)));
      world.nowUs += us;
      world.ends(attempt);
    };
    answerAfter("a", 1_000);
    answerAfter("a", 2_000);
    answerAfter("b", 1_000);
    answerAfter("c", 2_000);
    assert.equal(world.endpoints[0]!.load.latencyUs, 1_200);
    // Nobody has anything to do now.
    assert.deepEqual(world.scores("least-loaded-ema", world.packet()), { a: 0.8, b: 1, c: 0 });
  });

  it("takes one that has not answered yet for the fastest, and tells equals apart by load", () => {
    const world = new Situation();
    const [a, b] = ["a", "b"].map((id) => world.reports(id));
    const first = world.reads(world.sends(a!));
    world.nowUs += 1_000;
    world.ends(first);
    assert.deepEqual(world.scores("least-loaded-ema", world.packet()), { a: 1, b: 1 });
    world.sends(b!);
    assert.deepEqual(world.scores("least-loaded-ema", world.packet()), { a: 1, b: 0 });
  });
});

describe("session-affinity", () => {
  it("scores 1 for where the session was last, 0 for the rest", () => {
    const world = new Situation();
    const [a, b] = ["a", "b"].map((id) => world.reports(id));
    world.sends(a!, world.packet({ session: "s" }));
    world.sends(b!, world.packet({ session: "s" }));
    assert.deepEqual(world.scores("session-affinity", world.packet({ session: "s" })), { a: 0, b: 1 });
    assert.deepEqual(world.scores("session-affinity", world.packet({ session: "t" })), { a: 0, b: 0 });
    assert.deepEqual(world.scores("session-affinity", world.packet()), { a: 0, b: 0 });
  });
});

describe("prefix-approx", () => {
  it("scores the share of the prompt's blocks that were sent there, up to the first that was not", () => {
    const world = new Situation();
    const [a, b] = ["a", "b", "c"].map((id) => world.reports(id));
    world.sends(a!, world.packet({ blocks: [1, 2, 3, 9] }));
    world.sends(b!, world.packet({ blocks: [7, 2, 3, 4] }));
    const scores = world.scores("prefix-approx", world.packet({ blocks: [1, 2, 3, 4] }));
    assert.deepEqual(scores, { a: 0.75, b: 0, c: 0 });
    assert.deepEqual(world.scores("prefix-approx", world.packet()), { a: 0, b: 0, c: 0 });
  });
});

describe("prefix-precise", () => {
  it("scores by what the worker says that it holds", () => {
    const world = new Situation();
    const a = world.reports("a", { cache: { sequence: 0, stored: [1, 2, 3], removed: [] } });
    world.reports("b", { cache: { sequence: 0, stored: [1], removed: [] } });
    const packet = world.packet({ blocks: [1, 2, 3, 4] });
    assert.deepEqual(world.scores("prefix-precise", packet), { a: 0.75, b: 0.25 });
    world.reports("a", { cache: { sequence: 1, stored: [4], removed: [2] } });
    assert.deepEqual(world.scores("prefix-precise", packet), { a: 0.25, b: 0.25 });
    // What it is sent now counts before it says so.
    world.sends(a, packet);
    assert.deepEqual(world.scores("prefix-precise", packet), { a: 1, b: 0.25 });
  });
});

describe("token-load", () => {
  it("scores 1 − (in-flight uncached + own uncached) ÷ capacity", () => {
    const world = new Situation();
    const [a, b] = ["a", "b"].map((id) => world.reports(id));
    world.sends(a!, world.packet({ blocks: [1, 2, 3, 4, 5] }));
    world.sends(b!, world.packet({}, { promptTokensMax: 300 }));
    const packet = world.packet({ blocks: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] });
    // At a: 100 to read, and 50 of its own 100 are sent already. At b: 300 and 100.
    const scores = world.scores("token-load", packet, { capacity: 1_000 });
    assert.deepEqual(scores, { a: 1 - 150 / 1_000, b: 1 - 400 / 1_000 });
    assert.deepEqual(world.scores("token-load", packet, { capacity: 200 }), { a: 0.25, b: 0 });
    // The KV cache has room for 1,000,000 tokens.
    assert.deepEqual(world.scores("token-load", packet), { a: 1 - 150 / 1e6, b: 1 - 400 / 1e6 });
  });
});

describe("kv-router", () => {
  it("scores prefill tokens not cached plus tokens held, lowest best", () => {
    const world = new Situation();
    const [a, b, c] = ["a", "b", "c"].map((id) => world.reports(id));
    world.reads(world.sends(a!, world.packet({}, { promptTokensMax: 400 })));
    world.sends(b!, world.packet({}, { promptTokensMax: 300 }));
    world.reads(world.sends(c!, world.packet({ blocks: [1, 2, 3, 4, 5] })));
    const packet = world.packet({ blocks: [1, 2, 3, 4, 5] });
    // a: 600 = 100 to read, 400 + 100 held. b: 800 = 300 + 100, 300 + 100. c: 250 = 50 of its own 100, 100 + 100.
    const expected = { a: (800 - 600) / (800 - 250), b: 0, c: 1 };
    assert.deepEqual(world.scores("kv-router", packet), expected);
  });
});

describe("lmetric", () => {
  it("scores uncached prefill × (decoding + 1), lowest best", () => {
    const world = new Situation();
    const [a, b, c] = ["a", "b", "c"].map((id) => world.reports(id));
    world.reads(world.sends(a!, world.packet({ blocks: [1, 2, 3, 4, 5] })));
    world.sends(b!, world.packet());
    world.reads(world.sends(c!));
    world.reads(world.sends(c!));
    const packet = world.packet({ blocks: [1, 2, 3, 4, 5] });
    // a: 50 × 2. b: (100 + 100) × 1. c: 100 × 3.
    assert.deepEqual(world.scores("lmetric", packet), { a: 1, b: 100 / 200, c: 100 / 300 });
  });
});

/** Nothing is known of latencies: 100 µs for each token of prompt, 20.2 ms for each of an answer alone. */
function twoQueues(): Situation {
  const world = new Situation();
  world.reports("idle");
  world.sends(world.reports("busy"), world.packet({}, { promptTokensMax: 900 }));
  return world;
}

describe("predicted-latency", () => {
  it("prefers the tightest that keeps the hope", () => {
    const world = twoQueues();
    world.slo = { ttftUs: seconds(0.2), tpotUs: seconds(0.101) };
    const headroom = (ttftUs: number, tpotUs: number): number =>
      0.8 * (1 - ttftUs / world.slo!.ttftUs) + 0.2 * (1 - tpotUs / world.slo!.tpotUs);
    assert.deepEqual(world.scores("predicted-latency", world.packet()), {
      idle: 0.5 + 0.5 * (1 - headroom(10_000, 20_200)),
      busy: 0.5 + 0.5 * (1 - headroom(100_000, 20_400)),
    });
    const most = world.scores("predicted-latency", world.packet(), { fit: "most" });
    assert(most["idle"]! > most["busy"]!);
  });

  it("puts what misses the hope behind all that keeps it, the worse the further", () => {
    const world = twoQueues();
    world.slo = { ttftUs: 50_000, tpotUs: seconds(1) };
    const scores = world.scores("predicted-latency", world.packet());
    assert.equal(scores["busy"], 0.5 / (1 + 0.8));
    assert(scores["idle"]! > 0.5);
  });

  it("goes by the time to the first token without a hope", () => {
    const world = twoQueues();
    assert.deepEqual(world.scores("predicted-latency", world.packet()), { idle: 1, busy: 10_001 / 100_001 });
  });
});

describe("marginal-delay", () => {
  it("scores the delay that the packet adds for all, lowest best", () => {
    const world = new Situation();
    const [a, b] = ["a", "b"].map((id) => world.reports(id));
    world.reads(world.sends(a!, world.packet({ blocks: [1, 2, 3, 4, 5] })));
    world.sends(b!, world.packet());
    const packet = world.packet({ blocks: [1, 2, 3, 4, 5] });
    // 100 µs for each token of prompt, 200 µs for each sequence and token; an answer of 8 tokens. A sequence each.
    const atA = 1 + 100 * 50 * (1 + 0.3 + 0.05 * 1) + 0.01 * 2 * 200 * 1 * 8;
    const atB = 1 + 100 * 100 + 100 * 100 * (1 + 0.3 + 0.05 * 1);
    assert.deepEqual(world.scores("marginal-delay", packet), { a: 1, b: atA / atB });
    const slowA = 1 + 100 * 50 + 2 * 2 * 200 * 1 * 8;
    const quickB = 1 + 100 * (100 + 100);
    const plain = { evict: 0, stall: 0 };
    assert.deepEqual(world.scores("marginal-delay", packet, { ...plain, decode: 2 }), {
      a: 1,
      b: slowA / quickB,
    });
    const slowerA = 1 + 100 * 50 + 20 * 2 * 200 * 1 * 8;
    assert.deepEqual(world.scores("marginal-delay", packet, { ...plain, decode: 20 }), {
      a: quickB / slowerA,
      b: 1,
    });
  });
});
