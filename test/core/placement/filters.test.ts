import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Packet } from "../../../src/core/request.ts";
import { Situation } from "./situation.ts";

describe("context-length", () => {
  it("keeps endpoints that hold prompt and answer", () => {
    const world = new Situation();
    for (const [id, contextTokens] of Object.entries({ a: 107, b: 108, c: 109 }))
      world.reports(id, { contextTokens });
    assert.deepEqual(
      world.filter("context-length", world.packet({}, { promptTokensMax: 100, maxTokens: 8 })),
      ["b", "c"],
    );
  });
});

function labelled(): Situation {
  const world = new Situation();
  world.reports("a", {
    labels: { region: "eu", domain: "law", compliance: "gdpr, hipaa", capability: "tools" },
  });
  world.reports("b", {
    labels: { region: "us", domain: "law", compliance: "hipaa", capability: "tools,vision" },
  });
  world.reports("c");
  return world;
}

describe("label filters", () => {
  it("keep what has the label that is asked for", () => {
    const world = labelled();
    assert.deepEqual(world.filter("region", world.packet({ labels: { region: "eu" } })), ["a"]);
    assert.deepEqual(world.filter("domain", world.packet({ labels: { domain: "law" } })), ["a", "b"]);
    assert.deepEqual(world.filter("domain", world.packet({ labels: { domain: "la" } })), []);
  });

  it("keep what has every value of a list, in any order", () => {
    const world = labelled();
    assert.deepEqual(world.filter("compliance", world.packet({ labels: { compliance: "hipaa,gdpr" } })), [
      "a",
    ]);
    assert.deepEqual(world.filter("compliance", world.packet({ labels: { compliance: "hipaa" } })), [
      "a",
      "b",
    ]);
    assert.deepEqual(world.filter("capability", world.packet({ labels: { capability: "vision" } })), ["b"]);
    const exact = world.packet({ labels: { compliance: "hipaa" } });
    assert.deepEqual(world.filter("compliance", exact, { rule: "exact" }), ["b"]);
  });

  it("keep all for a request that asks for nothing, unless something is usual", () => {
    const world = labelled();
    assert.deepEqual(world.filter("region", world.packet()), ["a", "b", "c"]);
    assert.deepEqual(world.filter("region", world.packet(), { usual: "us" }), ["b"]);
    const elsewhere = world.packet({ labels: { region: "eu" } });
    assert.deepEqual(world.filter("region", elsewhere, { usual: "us" }), ["a"]);
    assert.deepEqual(world.filter("region", elsewhere, { label: "zone", usual: "" }), ["a", "b", "c"]);
  });
});

describe("session-affinity", () => {
  it("keeps the holder, or all where it is not among them", () => {
    const world = new Situation();
    const [a] = ["a", "b"].map((id) => world.reports(id));
    const attempt = world.sends(a!, world.packet({ session: "s" }));
    assert.deepEqual(world.filter("session-affinity", world.packet({ session: "s" })), ["a"]);
    assert.deepEqual(world.filter("session-affinity", world.packet({ session: "t" })), ["a", "b"]);
    world.ends(attempt, "failed");
    assert.deepEqual(world.filter("session-affinity", world.packet({ session: "s" })), ["a", "b"]);
  });

  it("keeps all once the holder has restarted", () => {
    const world = new Situation();
    world.sends(world.reports("a"), world.packet({ session: "s" }));
    world.reports("b");
    world.reports("a", { epoch: "2" });
    assert.deepEqual(world.filter("session-affinity", world.packet({ session: "s" })), ["a", "b"]);
  });
});

/** `a` holds all of the packet, `b` three quarters, `c` nothing; `a` has so many tokens to read before it. */
function holders(aheadTokens: number): Situation {
  const world = new Situation();
  const [a, b] = ["a", "b", "c"].map((id) => world.reports(id));
  world.reads(world.sends(a!, world.packet({ blocks: [1, 2, 3, 4] })));
  world.reads(world.sends(b!, world.packet({ blocks: [1, 2, 3] })));
  if (aheadTokens > 0) world.sends(a!, world.packet({}, { promptTokensMax: aheadTokens }));
  return world;
}

/** What `a` holds all of. */
function wholePrompt(world: Situation): Packet {
  return world.packet({ blocks: [1, 2, 3, 4] }, { promptTokensMax: 40 });
}

describe("sticky-until-saturated", () => {
  it("keeps those with an affinity of 0.8 and more while they are not too late", () => {
    // 100 µs for each token: a after 0.1 ms, b after 1 ms.
    const free = holders(0);
    assert.deepEqual(free.filter("sticky-until-saturated", wholePrompt(free)), ["a"]);
    assert.deepEqual(free.filter("sticky-until-saturated", wholePrompt(free), { share: 0.7 }), ["a", "b"]);
    const late = holders(1_000);
    assert.deepEqual(late.filter("sticky-until-saturated", wholePrompt(late)), ["a"]);
    assert.deepEqual(late.filter("sticky-until-saturated", wholePrompt(late), { bound: 99.1 }), ["a"]);
    assert.deepEqual(late.filter("sticky-until-saturated", wholePrompt(late), { bound: 99 }), [
      "a",
      "b",
      "c",
    ]);
  });

  it("keeps all where none holds it", () => {
    const world = holders(0);
    assert.deepEqual(world.filter("sticky-until-saturated", world.packet({ blocks: [9] })), ["a", "b", "c"]);
    assert.deepEqual(world.filter("sticky-until-saturated", world.packet()), ["a", "b", "c"]);
  });

  it("goes by the session of a request without blocks", () => {
    const world = holders(0);
    world.sends(world.endpoints[2]!, world.packet({ session: "s" }));
    assert.deepEqual(world.filter("sticky-until-saturated", world.packet({ session: "s" })), ["c"]);
  });
});
