import assert from "node:assert/strict";
import { test } from "node:test";
import { vtcOracle } from "../../bench/validate/vtc-artifact/oracle.ts";
import { artifactServer } from "../../bench/validate/vtc-artifact/server.ts";
import { tokenServiceOf } from "../../bench/validate/vtc-artifact/token-service.ts";
import { schedulingOf } from "../../src/core/default-scheduling.ts";
import { catalogueOf } from "../../src/core/policy.ts";
import { FAIRNESS } from "../../src/core/queueing/catalogues.ts";
import { Queue } from "../../src/core/queueing/queue.ts";
import type { Packet } from "../../src/core/request.ts";
import { seconds } from "../../src/core/units.ts";
import { A10G_LLAMA_7B } from "../../src/simulator/engine-profiles/vtc-artifact.ts";
import { stepUs } from "../../src/simulator/engine/step-time.ts";
import { plannedPacket } from "../core/fixtures.ts";
import { requestResult, resultOf } from "../simulator-reports/invented-result.ts";

/** A queue in which the oracle knows that answers to "long" come to 100 tokens, and those to "short" to 10. */
function oracleQueue(): { queue: Queue; packets: Packet[] } {
  const packets = ["long", "long", "short", "short", "short", "short", "short", "short"].map((tenant, i) => {
    return plannedPacket({ request: `r${i + 1}`, tenant, promptTokensMax: 20, model: "m" });
  });
  const tenants = new Map(packets.map(({ request }) => [request.id, request.arrival.tenant]));
  Object.assign(FAIRNESS, catalogueOf([vtcOracle((id) => (tenants.get(id) === "long" ? 100 : 10))]));
  const config = { ...schedulingOf("").queueing, fairness: { name: "vtc-oracle", parameters: {} } };
  const limits = { packetsMax: 100, bytesMax: 100_000, ttlUs: seconds(60), slo: null };
  const queue = new Queue(config, limits);
  for (const packet of packets) queue.add(packet, 0);
  return { queue, packets };
}

function serveAll(queue: Queue): string[] {
  const served: string[] = [];
  for (const packet of queue.inOrder("m", 0)) {
    queue.remove(packet, 0);
    queue.dispatched(packet, 0);
    served.push(packet.request.id);
  }
  return served;
}

test("the oracle counts all of an answer before its first token", () => {
  const { queue } = oracleQueue();
  // One long answer weighs 20 + 200, a short one 20 + 20: six of those do not come to as much.
  assert.deepEqual(serveAll(queue), ["r1", "r3", "r4", "r5", "r6", "r7", "r8", "r2"]);
});

test("what an engine had no room for does not count", () => {
  const { queue, packets } = oracleQueue();
  const [first] = packets;
  queue.remove(first!, 0);
  queue.dispatched(first!, 0);
  queue.ended(first!, 0);
  // Had it counted, the short ones would go before.
  assert.equal(serveAll(queue)[0], "r2");
});

/** Two tenants who both ask for 122 weighted tokens every second of ten minutes, of whom "a" is served as said. */
function serviceOf(ofA: (second: number) => number): ReturnType<typeof tokenServiceOf> {
  const requests = ["a", "b"].flatMap((tenant) =>
    Array.from({ length: 601 }, (_, second) => {
      return requestResult({ request: { tenant }, arrivedUs: seconds(second) });
    }),
  );
  const served = Float64Array.from({ length: 700 }, (_, second) => ofA(second));
  return tokenServiceOf(
    resultOf(requests, {
      service: new Map([
        ["a", served],
        ["b", new Float64Array(700)],
      ]),
    }),
  );
}

test("service counts when it was given", () => {
  const { difference, served } = serviceOf(() => 10);
  for (const [got, expected] of [
    [difference.max, 10],
    [difference.mean, 10],
    [served, 190],
  ] as const) {
    assert.ok(Math.abs(got - expected) < 1e-9);
  }
});

test("of a second that the edge of a window cuts, a part counts", () => {
  // The windows begin at multiples of 28.5 s: this second is cut by the first one's edge, and in no other window.
  const { difference } = serviceOf((second) => (second === 28 ? 120 : 0));
  assert.ok(Math.abs(difference.max - 1) < 1e-9);
  assert.ok(Math.abs(difference.mean - 1 / 19) < 1e-9);
});

test("the artifact's server takes its time for the smallest step, and the model's for a full batch", () => {
  const server = artifactServer(9);
  assert.equal(server.kvTokens, 9_712);
  const full = { batch: 35, contextTokens: 9_000, chunks: [] };
  assert.equal(stepUs(server, { batch: 1, contextTokens: 100, chunks: [] }), 39_500);
  assert.equal(stepUs(server, full), stepUs(A10G_LLAMA_7B, full));
  const prompt = { batch: 0, contextTokens: 0, chunks: [{ from: 0, to: 1_000 }] };
  assert.equal(stepUs(server, prompt), stepUs(A10G_LLAMA_7B, prompt) + 28_000);
});
