import type { Line } from "../line.ts";
import { sharedData } from "../shared-data.ts";

/** The real trace: 1,500 requests of 27 clients in ten minutes. */
export const ARTIFACT_TRACE = sharedData("traces", "vtc", "vtc_real_trace_27clients.csv");

/** Clients with something running, on average over the measured runs of FCFS (9.1) and VTC (8.4). */
export const CLIENTS_AT_A_TIME = 9;

const SEEDS = { full: 20, quick: 6 };

/** Of step noise. */
export function seedsOf(isQuick: boolean): number[] {
  return Array.from({ length: isQuick ? SEEDS.quick : SEEDS.full }, (_, i) => i + 1);
}

/** Where the trace is not there. */
export function skippedLine(what: string): Line {
  const note = `${ARTIFACT_TRACE.path} is not there`;
  return { what, expected: "", got: null, halfWidth: null, verdict: "skipped", note, seconds: 0 };
}
