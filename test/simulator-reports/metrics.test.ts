import assert from "node:assert/strict";
import { test } from "node:test";
import { seconds } from "../../src/core/units.ts";
import { metricsOf } from "../../src/simulator/reports/metrics.ts";
import { serviceDifferenceOf } from "../../src/simulator/reports/service-difference.ts";
import { requestResult, resultOf } from "./invented-result.ts";

const SLO = { ttftUs: seconds(1), tpotUs: seconds(0.1) };

test("times are taken from the moments of a request", () => {
  const result = requestResult({ arrivedUs: seconds(5), dispatchedUs: seconds(5.25) });
  const { ttftMs, tpotMs, totalMs, queueMs } = metricsOf(resultOf([result]), null);
  assert.equal(ttftMs?.mean, 1_000);
  assert.equal(tpotMs?.mean, 100);
  assert.equal(totalMs?.mean, 2_000);
  assert.equal(queueMs?.mean, 250);
});

test("quantiles lie between values, as NumPy has them", () => {
  const requests = [1, 2, 3, 4, 5].map((ttft) =>
    requestResult({ firstTokenUs: seconds(ttft), endUs: seconds(6) }),
  );
  const { ttftMs } = metricsOf(resultOf(requests), null);
  assert.deepEqual(ttftMs, { count: 5, mean: 3_000, p50: 3_000, p90: 4_600, p99: 4_960, max: 5_000 });
});

test("goodput counts completed requests in time, and failures against it", () => {
  const inTime = requestResult();
  const lateStart = requestResult({ firstTokenUs: seconds(1.001) });
  const slow = requestResult({ endUs: seconds(2.1) });
  const failed = requestResult({ outcome: "failed", error: "no_capacity" });
  const { goodput, failures } = metricsOf(resultOf([inTime, lateStart, slow, failed]), SLO);
  assert.deepEqual(goodput, { met: 1, share: 0.25, perSecond: 0.1 });
  assert.deepEqual(failures, { no_capacity: 1 });
});

test("a request's own hope goes before that of the run, and without either there is no goodput", () => {
  const patient = requestResult({
    request: { slo: { ttftUs: seconds(9), tpotUs: seconds(9) } },
    firstTokenUs: seconds(1.9),
  });
  assert.equal(metricsOf(resultOf([patient]), SLO).goodput?.share, 1);
  assert.equal(metricsOf(resultOf([requestResult()]), null).goodput, null);
});

test("an answer of one token has no time between tokens, and meets any", () => {
  const single = requestResult({ outputTokens: 1, endUs: seconds(1) });
  const { tpotMs, goodput } = metricsOf(resultOf([single]), { ttftUs: seconds(1), tpotUs: 0 });
  assert.equal(tpotMs, null);
  assert.equal(goodput?.share, 1);
});

test("rates are of virtual time, and hits of what was read", () => {
  const requests = [
    requestResult({ cachedTokens: 50 }),
    requestResult({ firstTokenUs: null, outcome: "failed", outputTokens: 0 }),
  ];
  const metrics = metricsOf(resultOf(requests, { virtualSeconds: 10 }), null);
  assert.equal(metrics.prefixHitShare, 0.5);
  assert.equal(metrics.outputTokensPerSecond, 1.1);
  assert.equal(metrics.tokensPerSecond, 11.1);
});

test("an empty run has figures that say so", () => {
  const metrics = metricsOf(resultOf([], { virtualSeconds: 0 }), SLO);
  assert.equal(metrics.ttftMs, null);
  assert.equal(metrics.goodput, null);
  assert.equal(metrics.tokensPerSecond, 0);
});

test("equal service is no difference, and what nobody asked for is not missed", () => {
  const both = ["a", "b"].flatMap((tenant) =>
    Array.from({ length: 60 }, (_, i) => {
      const atS = i * 10;
      return requestResult({
        request: { tenant },
        arrivedUs: seconds(atS),
        firstTokenUs: seconds(atS),
        endUs: seconds(atS + 1),
      });
    }),
  );
  assert.deepEqual(serviceDifferenceOf(both), { max: 0, mean: 0, variance: 0 });
  assert.equal(serviceDifferenceOf(both.filter(({ request }) => request.tenant === "a")), null);
});

test("a tenant that asks and gets nothing is as far behind as the other is served", () => {
  // Both ask for 122 weighted tokens every second for ten minutes; only one gets them.
  const requests = ["served", "starved"].flatMap((tenant) =>
    Array.from({ length: 600 }, (_, second) => {
      const arrivedUs = seconds(second);
      const firstTokenUs = tenant === "served" ? arrivedUs : null;
      const outputTokens = tenant === "served" ? 11 : 0;
      return requestResult({
        request: { tenant },
        arrivedUs,
        firstTokenUs,
        endUs: seconds(second + 1),
        outputTokens,
      });
    }),
  );
  const difference = serviceDifferenceOf(requests)!;
  assert.ok(Math.abs(difference.max - 122) < 1e-9);
  // The last window reaches 1.5 s beyond the last arrival.
  assert.ok(difference.mean > 121 && difference.mean < 122);
});
