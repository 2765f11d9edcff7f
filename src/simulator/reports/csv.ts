import { MICROS_PER_SECOND, type Micros } from "../../core/units.ts";
import type { Slo } from "../../core/vocabulary.ts";
import type { ExperimentResult } from "../lab/experiment.ts";
import { COMPARED } from "../trials/compared-metrics.ts";
import type { ComparedRun } from "../trials/comparison.ts";
import { meetsSlo, queueMsOf, totalMsOf, tpotMsOf, ttftMsOf } from "./metrics.ts";

type Value = string | number | boolean | null;

/** One line for each request, after a header; times of a request in milliseconds, moments in seconds. */
export function requestsCsv({ requests }: ExperimentResult, slo: Slo | null): string {
  const header = [
    ["arrived_s", "tenant", "session", "priority", "prompt_tokens", "cached_tokens", "output_tokens"],
    ["outcome", "error", "worker", "attempts", "queue_ms", "ttft_ms", "tpot_ms", "total_ms", "met_slo"],
  ].flat();
  const rows = requests.map((result): Value[] => {
    const { request, arrivedUs, cachedTokens, outputTokens, outcome, error, worker, attempts } = result;
    const { tenant, session, priority, promptTokens } = request;
    const asked = [secondsOf(arrivedUs), tenant, session, priority, promptTokens, cachedTokens, outputTokens];
    const ended = [outcome, error, worker, attempts];
    const times = [queueMsOf(result), ttftMsOf(result), tpotMsOf(result), totalMsOf(result)];
    return [...asked, ...ended, ...times, meetsSlo(result, slo)];
  });
  return csv(header, rows);
}

/** One line for each run of a comparison, with all figures that are compared. */
export function comparisonCsv(runs: readonly ComparedRun[]): string {
  const header = [
    "policy",
    "load",
    "seed",
    "requests",
    "violations",
    ...COMPARED.map(({ name }) => name),
    "hash",
  ];
  const rows = runs.map(({ policy, load, seed, metrics, hash }): Value[] => {
    const { requests, violations } = metrics;
    return [policy, load, seed, requests, violations, ...COMPARED.map(({ of }) => of(metrics)), hash];
  });
  return csv(header, rows);
}

/** As RFC 4180 has it; what is not known is left empty. */
function csv(header: readonly string[], rows: readonly (readonly Value[])[]): string {
  return [header, ...rows].map((cells) => `${cells.map(cell).join(",")}\n`).join("");
}

function cell(value: Value): string {
  if (value === null) return "";
  const text = typeof value === "number" ? String(Number(value.toPrecision(9))) : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function secondsOf(us: Micros): number {
  return us / MICROS_PER_SECOND;
}
