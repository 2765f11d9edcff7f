import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { describe, it } from "node:test";
import { runStorm, type StormOptions, type StormReport } from "./storm.ts";

/** `HEADGATE_STORM=500 node --test test/migration/storm.test.ts` is the whole of it; HEADGATE_STORM_SEED has one again. */
const STREAMS = Number(process.env["HEADGATE_STORM"] ?? 60);
const SEED = Number(process.env["HEADGATE_STORM_SEED"] ?? randomInt(2 ** 32));
const OPTIONS: Omit<StormOptions, "faults"> = {
  streams: STREAMS,
  concurrency: 16,
  seed: SEED,
  model: process.env["HEADGATE_STORM_MODEL"] ?? "headgate-0.3m",
};

describe(`${STREAMS} streams over three workers, seed ${SEED}`, () => {
  it("complete while all is well", async (context) => {
    const report = await runStorm({ ...OPTIONS, faults: false });
    for (const line of describeReport(report)) context.diagnostic(line);
    assert.equal(report.completed, STREAMS);
  });

  it("complete, 99 in 100 at least, while workers are killed, stopped and drained, and lose, repeat and change no token", async (context) => {
    const report = await runStorm({ ...OPTIONS, faults: true });
    for (const line of describeReport(report)) context.diagnostic(line);
    assert.ok(report.completed >= 0.99 * STREAMS, report.failures.join("\n"));
  });
});

function describeReport({
  streams,
  completed,
  tokens,
  faults,
  moved,
  moves,
  divergence,
  failures,
}: StormReport): string[] {
  const { unmoved, state, replay } = divergence;
  const differing = (kind: typeof unmoved): string => `${kind.differ} of ${kind.streams}`;
  return [
    `${completed} of ${streams} complete, ${tokens} tokens; ${faults.kill} kills, ${faults.stall} stalls, ${faults.drain} drains`,
    `${moved} went on elsewhere, ${moves.length} times in all: ${pauses(moves, "state")}; ${pauses(moves, "replay")}`,
    `other tokens than alone: ${differing(unmoved)} that stayed, ${differing(state)} moved by state, ${differing(replay)} by replay`,
    ...failures,
  ];
}

function pauses(moves: StormReport["moves"], by: "state" | "replay"): string {
  const sorted = moves
    .flatMap((move) => (move.by === by && move.pauseMs !== null ? [move.pauseMs] : []))
    .toSorted((a, b) => a - b);
  const at = (quantile: number): string =>
    `${Math.round(sorted[Math.ceil(quantile * sorted.length) - 1] ?? 0)} ms`;
  const times = moves.filter((move) => move.by === by).length;
  return sorted.length === 0
    ? `${times} by ${by}`
    : `${times} by ${by}, pause p50 ${at(0.5)}, p99 ${at(0.99)}`;
}
