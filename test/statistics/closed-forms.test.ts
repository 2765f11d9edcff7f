import assert from "node:assert/strict";
import { test } from "node:test";
import analytic from "../../bench/validate/closed-forms/analytic.json" with { type: "json" };
import { choicesMeanTime, choicesTail } from "../../src/simulator/queueing-theory/choices.ts";
import { vtcServiceBound } from "../../src/simulator/queueing-theory/fairness.ts";
import {
  exponentialTail,
  fanOutSlow,
  hedgedTail,
  paretoTail,
  tailQuantile,
} from "../../src/simulator/queueing-theory/hedging.ts";
import {
  erlangB,
  erlangC,
  mmcMeanTime,
  mmcMeanWait,
  mmcWaitQuantile,
} from "../../src/simulator/queueing-theory/many-servers.ts";
import {
  mg1MeanTime,
  mg1MeanWait,
  mm1kBlocking,
  mm1MeanNumber,
  mm1MeanTime,
  mm1TimeQuantile,
  preemptiveTimes,
  priorityWaits,
  processorSharingTime,
  tandemMeanTime,
} from "../../src/simulator/queueing-theory/single-server.ts";

/** Equal to a part in 10⁹. */
function same(got: number, expected: number): void {
  assert(Math.abs(got - expected) <= 1e-9 * Math.abs(expected), `got ${got}, expected ${expected}`);
}

test("one server", () => {
  for (const { rho, mean_T, mean_N, T_p50, T_p99 } of analytic.MM1) {
    same(mm1MeanTime(rho), mean_T);
    same(mm1MeanNumber(rho), mean_N);
    same(mm1TimeQuantile(0.5, rho), T_p50);
    same(mm1TimeQuantile(0.99, rho), T_p99);
  }
  for (const { rho, mean_T } of analytic.MD1) same(mg1MeanTime(rho, 0), mean_T);
  for (const { rho, scv, mean_W, mean_T } of analytic.MG1_FCFS_PK_hyperexp_cv2_4) {
    same(mg1MeanWait(rho, scv), mean_W);
    same(mg1MeanTime(rho, scv), mean_T);
  }
  for (const { rho, mean_T } of analytic.MG1_PS_insensitive) same(processorSharingTime(rho), mean_T);
  for (const { rho, K, P_block } of analytic.MM1K) same(mm1kBlocking(rho, K), P_block);
});

test("many servers", () => {
  for (const { c, rho, P_wait, mean_W, mean_T, W_p99 } of analytic.MMc) {
    same(erlangC(c, rho), P_wait);
    same(mmcMeanWait(c, rho), mean_W);
    same(mmcMeanTime(c, rho), mean_T);
    same(mmcWaitQuantile(0.99, c, rho), W_p99);
  }
  for (const { c, a, B } of analytic.MMc_c_ErlangB_loss) same(erlangB(c, a), B);
});

test("two classes, and servers in a row", () => {
  for (const { l1, l2, mu, W1, W2 } of analytic.MM1_two_class_nonpreemptive_priority) {
    const [first, second] = priorityWaits(l1, l2, mu);
    same(first, W1);
    same(second, W2);
  }
  for (const { l1, l2, mu, T1, T2 } of analytic.MM1_two_class_preemptive_resume) {
    const [first, second] = preemptiveTimes(l1, l2, mu);
    same(first, T1);
    same(second, T2);
  }
  const { l, mu, mean_T } = analytic.tandem_MM1;
  same(tandemMeanTime(l, mu), mean_T);
});

test("the shortest of d lines", () => {
  for (const { lam, d, mean_T, tail_s } of analytic.power_of_d_meanfield) {
    same(choicesMeanTime(lam, d), mean_T);
    for (const [k, share] of tail_s.entries()) same(choicesTail(lam, d, k + 1), share);
  }
});

test("hedging", () => {
  const {
    hedged_after_p95_exp: exp,
    "pareto_1.5_hedge_p95": pareto,
    fanout100_p_slow_1pct,
  } = analytic.hedging;
  same(tailQuantile(exponentialTail, 0.95), exp.delay);
  same(tailQuantile(exponentialTail, 0.99), exp.unhedged_p99);
  same(tailQuantile(exponentialTail, 0.999), exp.unhedged_p999);
  const hedged = hedgedTail(exponentialTail, exp.delay);
  same(tailQuantile(hedged, 0.99), exp.p99);
  same(tailQuantile(hedged, 0.999), exp.p999);
  same(exponentialTail(exp.delay), exp.extra_load);
  const heavy = paretoTail(1.5);
  same(tailQuantile(heavy, 0.95), pareto.delay);
  same(tailQuantile(heavy, 0.999), pareto.unhedged_p999);
  same(tailQuantile(hedgedTail(heavy, pareto.delay), 0.999), pareto.hedged_p999);
  same(fanOutSlow(100, 0.01), fanout100_p_slow_1pct);
  // Two copies at once: the minimum of two exponentials.
  same(tailQuantile(hedgedTail(exponentialTail, 0), 0.99), Math.log(100) / 2);
});

test("the bound on the difference of service", () => {
  // M = 10,000 tokens on an A10G: 40,000.
  same(
    vtcServiceBound({ promptWeight: 1, outputWeight: 2, promptTokensMax: 1_024, poolTokens: 10_000 }),
    40_000,
  );
});
