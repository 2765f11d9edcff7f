import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Situation } from "./situation.ts";

/** Workers a, b, c … with so many sequences each. */
function loaded(...counts: number[]): Situation {
  const world = new Situation();
  for (const [i, count] of counts.entries()) {
    const endpoint = world.reports(String.fromCodePoint(97 + i));
    for (let n = 0; n < count; n++) world.sends(endpoint);
  }
  return world;
}

/** How often each worker is picked of so many times; each pick is dispatched. */
function picks(world: Situation, name: string, times: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < times; i++) {
    const worker = world.pick(name, world.packet());
    counts[worker] = (counts[worker] ?? 0) + 1;
    world.sends(world.fleet.worker(worker)!.endpoints[0]!);
  }
  return counts;
}

describe("max-score", () => {
  it("picks the highest total", () => {
    assert.equal(loaded(0, 0, 0).pick("max-score", new Situation().packet(), { totals: [1, 3, 2] }), "b");
  });

  it("picks the one picked longest ago among equals", () => {
    const world = loaded(1, 1, 1);
    assert.equal(world.pick("max-score", world.packet(), { totals: [2, 2, 1] }), "a");
    world.sends(world.endpoints[0]!);
    assert.equal(world.pick("max-score", world.packet(), { totals: [2, 2, 1] }), "b");
  });
});

describe("random", () => {
  it("picks each with equal chances", () => {
    const counts = picks(loaded(0, 0, 0, 0), "random", 200);
    // Four standard deviations around 50.
    for (const worker of ["a", "b", "c", "d"])
      assert(Math.abs(counts[worker]! - 50) <= 25, JSON.stringify(counts));
  });
});

describe("round-robin", () => {
  it("picks each in turn, whatever the scores", () => {
    const world = loaded(0, 0, 0);
    const turns = Array.from({ length: 7 }, () => {
      const worker = world.pick("round-robin", world.packet(), { totals: [9, 0, 0] });
      world.sends(world.fleet.worker(worker)!.endpoints[0]!);
      return worker;
    });
    assert.equal(turns.join(""), "abcabca");
  });
});

describe("weighted-round-robin", () => {
  it("picks each as often as its weight says, spread evenly", () => {
    const world = new Situation();
    world.reports("a", { labels: { weight: "3" } });
    world.reports("b", { slots: 2 });
    world.reports("c", { labels: { weight: "many" }, slots: 1 });
    const endpoints = world.endpoints;
    const turns: string[] = [];
    // One picker for all: it keeps count.
    const pick = world.picker("weighted-round-robin");
    for (let i = 0; i < 12; i++) {
      const endpoint = endpoints[pick()]!;
      turns.push(endpoint.worker.id);
      world.sends(endpoint);
    }
    assert.equal(turns.filter((id) => id === "a").length, 6);
    assert.equal(turns.filter((id) => id === "b").length, 4);
    assert.equal(turns.filter((id) => id === "c").length, 2);
    assert.equal(turns.slice(0, 6).toSorted().join(""), "aaabbc");
  });

  it("does not make up for the time that one was away", () => {
    const world = new Situation();
    world.reports("a");
    const pick = world.picker("weighted-round-robin");
    for (let i = 0; i < 50; i++) world.sends(world.endpoints[pick()]!);
    world.reports("b");
    const turns = Array.from({ length: 4 }, () => {
      const endpoint = world.endpoints[pick()]!;
      world.sends(endpoint);
      return endpoint.worker.id;
    });
    assert.equal(turns.toSorted().join(""), "aabb");
  });
});

describe("power-of-two", () => {
  it("never picks the busiest, and no other by itself", () => {
    const world = loaded(5, 1, 0);
    const seen = new Set(Array.from({ length: 100 }, () => world.pick("power-of-two", world.packet())));
    assert.deepEqual([...seen].toSorted(), ["b", "c"]);
  });

  it("picks the only one", () => {
    assert.equal(loaded(3).pick("power-of-two", new Situation().packet()), "a");
  });
});

describe("softmax", () => {
  it("picks the highest at temperature 0", () => {
    const world = loaded(0, 0);
    for (let i = 0; i < 20; i++) {
      assert.equal(world.pick("softmax", world.packet(), { totals: [0.1, 0.2] }), "b");
    }
  });

  it("picks with chances exp(score ÷ temperature), whatever the size of scores", () => {
    const world = loaded(0, 0);
    let better = 0;
    for (let i = 0; i < 1_000; i++) {
      const options = { totals: [1e6, 1e6 + 1], parameters: { temperature: 1 } };
      if (world.pick("softmax", world.packet(), options) === "b") better++;
    }
    // Four standard deviations around e ÷ (1 + e).
    const expected = 1_000 * (Math.E / (1 + Math.E));
    assert(Math.abs(better - expected) < 4 * Math.sqrt(1_000 * 0.2), String(better));
  });
});

describe("cache-aware", () => {
  it("picks the holder while loads are balanced", () => {
    const world = loaded(5, 0, 0);
    world.sends(world.endpoints[0]!, world.packet({ blocks: [1, 2, 3] }));
    assert.equal(world.pick("cache-aware", world.packet({ blocks: [1, 2, 3, 4, 5] })), "a");
    // 2 of 4 is not more than half.
    assert.equal(world.pick("cache-aware", world.packet({ blocks: [1, 2, 8, 9] })), "b");
    assert.equal(world.pick("cache-aware", world.packet()), "b");
  });

  it("picks the shortest queue once loads differ by more than 32 and 10 %", () => {
    const world = loaded(31, 0);
    world.sends(world.endpoints[0]!, world.packet({ blocks: [1] }));
    assert.equal(world.pick("cache-aware", world.packet({ blocks: [1] })), "a");
    world.sends(world.endpoints[0]!);
    assert.equal(world.pick("cache-aware", world.packet({ blocks: [1] })), "b");
    const parameters = { absolute: 2, relative: 20 };
    world.sends(world.endpoints[1]!);
    world.sends(world.endpoints[1]!);
    assert.equal(world.pick("cache-aware", world.packet({ blocks: [1] }), { parameters }), "a");
  });

  it("picks the less busy of equal holders", () => {
    const world = loaded(3, 2, 0);
    for (const i of [0, 1]) world.sends(world.endpoints[i]!, world.packet({ blocks: [1] }));
    assert.equal(world.pick("cache-aware", world.packet({ blocks: [1] })), "b");
  });
});

describe("bounded-hash", () => {
  it("picks the same for the same session, else first block, else tenant", () => {
    const world = loaded(0, 0, 0, 0, 0, 0, 0, 0);
    const homes = new Set<string>();
    for (let i = 0; i < 40; i++) {
      const home = world.pick("bounded-hash", world.packet({ session: `s${i}`, blocks: [i] }));
      assert.equal(world.pick("bounded-hash", world.packet({ session: `s${i}`, blocks: [99] })), home);
      homes.add(home);
    }
    assert.equal(homes.size, 8);
    const byBlock = world.pick("bounded-hash", world.packet({ blocks: [5, 6] }));
    assert.equal(world.pick("bounded-hash", world.packet({ blocks: [5, 7] }, { tenant: "other" })), byBlock);
    const byTenant = { parameters: { key: "tenant" } };
    assert.equal(
      world.pick("bounded-hash", world.packet({ session: "x" }), byTenant),
      world.pick("bounded-hash", world.packet({ blocks: [1] }), byTenant),
    );
  });

  it("moves only the keys of a worker that leaves", () => {
    const all = loaded(0, 0, 0, 0);
    const fewer = loaded(0, 0, 0);
    for (let i = 0; i < 40; i++) {
      const home = all.pick("bounded-hash", all.packet({ session: `s${i}` }));
      const without = fewer.pick("bounded-hash", fewer.packet({ session: `s${i}` }));
      if (home !== "d") assert.equal(without, home);
    }
  });

  it("keeps every worker within 1.25 times the mean, rounded up", () => {
    const world = loaded(0, 0, 0, 0);
    for (let sent = 1; sent <= 41; sent++) {
      const worker = world.pick("bounded-hash", world.packet({ session: "the same" }));
      world.sends(world.fleet.worker(worker)!.endpoints[0]!);
      const most = Math.max(...world.endpoints.map(({ inFlight }) => inFlight));
      assert(most <= Math.ceil((1.25 * sent) / 4), `${most} of ${sent}`);
    }
  });
});
