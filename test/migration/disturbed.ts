import assert from "node:assert/strict";
import { areAlive, until } from "../system/headgate.ts";
import type { TestFleet } from "./fleet.ts";
import { type Asked, read, type Reading } from "./reading.ts";
import type { WireGeneration } from "./wire-tap.ts";

/** How often an answer is asked for that is over before its worker can be made to leave it. */
const TRIES_MAX = 5;

/** A signal to the worker that gives an answer. */
export interface Disturbance {
  /** Sent behind so many tokens of it. */
  at: number;
  signal: "SIGTERM" | "SIGKILL";
}

/** What the signal fell on. */
interface Disturbed {
  generation: WireGeneration;
  signal: NodeJS.Signals;
  /** Resolves when the supervisor knows. */
  gone: Promise<void>;
  /** The supervisor had not been told that the worker drains when the end came. */
  endedUntold: boolean;
}

/**
 * Reads the answer, and signals the worker that gives it in the middle of it.
 *
 * A worker goes on while the signal and what follows from it are on their way, and on a busy machine it may get to the end
 * of the answer: then nothing was disturbed, and the answer is asked for again. What was read is never a reason for that.
 * Rejects when no try has caught a worker in mid answer.
 */
export async function readDisturbed(
  fleet: TestFleet,
  asked: Asked,
  disturbance: Disturbance,
): Promise<Reading> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const { reading, isUndisturbed } = await readOnce(fleet, asked, disturbance);
    if (!isUndisturbed) return reading;
  }
  const { at, signal } = disturbance;
  throw new Error(`${TRIES_MAX} answers were over before a ${signal} behind token ${at} could tell`);
}

async function readOnce(
  fleet: TestFleet,
  asked: Asked,
  { at, signal }: Disturbance,
): Promise<{ reading: Reading; isUndisturbed: boolean }> {
  await fleet.twoAlive();
  const { tap, headgate, workerAt } = fleet;
  const begun: Disturbed[] = [];
  tap.onToken = (generation) => {
    if (generation.ids.length < at) return;
    tap.onToken = () => {};
    const worker = workerAt(generation.origin)!;
    begun.push({ generation, signal, gone: fleet.end(worker, signal), endedUntold: false });
    tap.onEnd = (ended) => {
      if (ended === generation) begun[0]!.endedUntold = areAlive(headgate, [worker]);
    };
  };
  const reading = await read(headgate.client, asked).finally(() => (tap.onEnd = () => {}));
  const [disturbed] = begun;
  assert.ok(disturbed !== undefined, `the answer has ${at} tokens`);
  await disturbed.gone;
  return { reading, isUndisturbed: await wasOver(disturbed) };
}

/**
 * Whether the worker had nothing left to give when the signal took effect, by what came over the wire: it gave the end of
 * the answer, though it was killed, or before it said that it drains, or before it was ordered to park. A supervisor that
 * is told in time and gives no order, and a worker that takes the order and does not park, are not excused.
 */
async function wasOver({ generation, signal, endedUntold }: Disturbed): Promise<boolean> {
  if (generation.end !== "done") return false;
  if (signal === "SIGKILL" || endedUntold) return true;
  await until(() => generation.park !== "sent");
  return generation.park === "refused" || generation.park === "unheard";
}
