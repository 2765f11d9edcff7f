import type { TailConfig } from "../config.ts";
import type { Endpoint } from "../fleet/endpoint.ts";
import type { Worker } from "../fleet/worker.ts";
import type { Turn } from "../turn.ts";
import type { FailureReason } from "../vocabulary.ts";

/** Failures that say something of the endpoint, and not of the request or of how much there is to do. */
const COUNTED: ReadonlySet<FailureReason> = new Set<FailureReason>([
  "unreachable",
  "endpoint_error",
  "stream_broken",
  "prefill_timeout",
  "stalled",
]);

/**
 * Keeps work from endpoints that keep failing.
 *
 * ```
 *              ┌──── success ◀─────────────────────────────┐
 *              ▼                                           │
 *   ──▶ closed ── so many failures in a row ──▶ open ── after a while ──▶ half-open: one at a time
 *                                                ▲                          │        │
 *                                                └──────── a failure ───────┘        └─ so many successes ─▶ closed
 * ```
 */
export class Breakers {
  readonly #turn: Turn;

  constructor(turn: Turn) {
    this.#turn = turn;
  }

  succeeded({ breaker }: Endpoint, config: TailConfig["breaker"]): void {
    breaker.failures = 0;
    if (breaker.state !== "half_open" || config === null) return;
    breaker.successes++;
    if (breaker.successes >= config.successes) breaker.state = "closed";
  }

  failed(endpoint: Endpoint, reason: FailureReason, config: TailConfig["breaker"]): void {
    if (config === null || !COUNTED.has(reason)) return;
    const { breaker } = endpoint;
    breaker.failures++;
    const isDue = breaker.state === "half_open" || breaker.failures >= config.failures;
    if (breaker.state === "open" || !isDue) return;
    breaker.state = "open";
    breaker.successes = 0;
    breaker.timer = this.#turn.after(config.openUs, { kind: "breaker_half_open", endpoint });
  }

  halfOpen({ breaker }: Endpoint): void {
    breaker.state = "half_open";
    breaker.timer = null;
  }

  /** There are no breakers any more. */
  resetAll(workers: Iterable<Worker>): void {
    for (const { endpoints } of workers) for (const endpoint of endpoints) this.reset(endpoint);
  }

  /** The process behind the endpoint is another one, of which nothing is known. */
  reset({ breaker }: Endpoint): void {
    this.#turn.cancel(breaker.timer);
    Object.assign(breaker, { state: "closed", failures: 0, successes: 0, timer: null });
  }
}
