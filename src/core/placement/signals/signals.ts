import { ChurnMap } from "../../churn.ts";
import type { HeartbeatReceived } from "../../events.ts";
import { stateFor } from "../../dispatching/carrying.ts";
import type { Endpoint } from "../../fleet/endpoint.ts";
import type { Worker } from "../../fleet/worker.ts";
import type { PlacementConfig } from "../../config.ts";
import type { Attempt, Packet } from "../../request.ts";
import type { Micros } from "../../units.ts";
import { ForeignLoad } from "./foreign-load.ts";
import { Latencies, type Reading } from "./latencies.ts";
import type { WorkerLoad } from "./load.ts";
import { PromptLengths } from "./prompt-lengths.ts";
import { Prefixes } from "./prefixes.ts";
import { Sessions } from "./sessions.ts";

/** How an attempt came to its end, as far as it says something of its endpoint. */
export type AttemptOutcome = "completed" | "failed" | "cancelled";

/**
 * All that placement goes by and that is not in a report: what was dispatched and how far it is, how long
 * things took, what is cached where. The supervisor tells it what happens; policies only ask. It outlives them,
 * so one that takes over at run time knows what its predecessor knew.
 *
 * ```
 *   dispatched ──▶ started ──▶ generated … ──▶ ended        for each attempt, in this order; any may be left out but the first and the last
 *   reported, forgot                                        for each worker
 * ```
 * Memory is bounded: an entry for each attempt in flight, some 1 KB for each endpoint, `signals.sessionsMax` × 200 bytes,
 * and 2 × `prefix.blocksMax` × 150 bytes.
 */
export class Signals {
  readonly #prefixes: Prefixes;
  readonly #sessions: Sessions;
  readonly #foreign: ForeignLoad;
  readonly #latencies = new Latencies();
  readonly #promptLengths = new PromptLengths();
  readonly #flights = new ChurnMap<Attempt, Flight>();
  readonly #epochs = new WeakMap<Worker, string>();
  readonly #blockTokens: number;

  constructor({ prefix, signals }: Pick<PlacementConfig, "prefix" | "signals">) {
    const { trustUs, sessionsMax, sessionTtlUs } = signals;
    this.#prefixes = new Prefixes({ ...prefix, trustUs });
    this.#sessions = new Sessions({ max: sessionsMax, ttlUs: sessionTtlUs });
    this.#foreign = new ForeignLoad(trustUs);
    this.#blockTokens = prefix.blockTokens;
  }

  // What happens.

  /** The attempt goes out. Called before or after it is counted on its endpoint. */
  dispatched(attempt: Attempt, nowUs: Micros): void {
    const { endpoint, packet } = attempt;
    const { blocks, session } = packet.request.arrival.hints;
    const { load } = endpoint.worker;
    const own = this.#reading(endpoint, packet, nowUs);
    const contextTokens = this.#tokensToHold(packet);
    this.#flights.set(attempt, {
      sentUs: nowUs,
      life: endpoint.load.life,
      ahead: this.#readingAhead(endpoint, nowUs),
      own,
      contextTokens,
      generatedTokens: 0,
      start: null,
      firstOutput: null,
    });
    if (load.prefilling === 0) load.prefillSinceUs = nowUs;
    load.prefilling++;
    load.prefillTokens += own.tokens;
    load.prefillSquares += own.squares;
    load.contextTokens += contextTokens;
    this.#prefixes.sent(endpoint, blocks, nowUs);
    if (session !== null) this.#sessions.sent(session, endpoint, nowUs);
  }

  /** Its prompt has been read; `attempt.prompt` says how much of it was cached, if the endpoint told. */
  started(attempt: Attempt, nowUs: Micros): void {
    const flight = this.#flights.get(attempt);
    if (flight === undefined || flight.start !== null) return;
    const { endpoint, prompt, slots, carriedTokens } = attempt;
    const { load } = endpoint.worker;
    // An answer that goes on elsewhere has the figures of where it began, and perhaps its KV state: nothing to learn from.
    if (carriedTokens === 0) {
      const own = prompt === null ? flight.own : readingOf(prompt.tokens, prompt.cached);
      const tokens = flight.ahead.tokens + own.tokens;
      const squares = flight.ahead.squares + own.squares;
      this.#latencies.promptRead(endpoint, { tokens, squares }, nowUs - flight.sentUs);
      if (prompt !== null) this.#promptRead(attempt, flight, prompt.tokens);
    }
    leavePrefill(load, flight, nowUs);
    flight.start = { atUs: nowUs, decodingIntegral: decodingIntegral(load, nowUs) };
    load.decoding += slots;
  }

  /** Tokens have come, of all its streams together. */
  generated(attempt: Attempt, tokens: number, nowUs: Micros): void {
    const flight = this.#flights.get(attempt);
    if (flight === undefined) return;
    // Some endpoints do not say when they have read the prompt.
    if (flight.start === null) this.started(attempt, nowUs);
    flight.contextTokens += tokens;
    attempt.endpoint.worker.load.contextTokens += tokens;
    flight.firstOutput ??= { atUs: nowUs, tokens };
    flight.generatedTokens += tokens;
  }

  /** The endpoint has nothing more to do with it. */
  ended(attempt: Attempt, nowUs: Micros, outcome: AttemptOutcome): void {
    const flight = this.#flights.get(attempt);
    if (flight === undefined) return;
    this.#flights.delete(attempt);
    const { endpoint, packet, slots } = attempt;
    const { blocks, session } = packet.request.arrival.hints;
    const { load } = endpoint.worker;
    load.contextTokens -= flight.contextTokens;
    if (flight.start === null) {
      leavePrefill(load, flight, nowUs);
      if (flight.life === endpoint.load.life) this.#prefixes.unread(endpoint, blocks);
    } else {
      if (outcome === "completed") this.#learn(attempt, flight, nowUs);
      decodingIntegral(load, nowUs);
      load.decoding -= slots;
      if (session !== null) this.#sessions.holds(session, endpoint, flight.contextTokens);
    }
    if (outcome === "failed" && session !== null) this.#sessions.left(session, endpoint);
  }

  /** The worker's report was accepted, and is in its fields. */
  reported(worker: Worker, report: HeartbeatReceived, nowUs: Micros): void {
    if (this.#epochs.get(worker) !== report.epoch) {
      this.forgot(worker);
      this.#epochs.set(worker, report.epoch);
    }
    this.#foreign.reported(worker);
    this.#prefixes.reported(worker, report.cache, nowUs);
  }

  /** The worker has restarted or is given up: nothing is cached there. Attempts are counted on until they end. */
  forgot(worker: Worker): void {
    this.#foreign.forgot(worker);
    this.#prefixes.forgot(worker);
    for (const { load } of worker.endpoints) load.life++;
  }

  // What policies ask.

  /** Sequences on the worker: our own, and those of others as far as known. */
  sessions(worker: Worker, nowUs: Micros): number {
    return worker.ownSessions + this.#foreign.sessions(worker, nowUs);
  }

  /** KV cache set aside or in use on the worker, in bytes. */
  kvBytes(worker: Worker, nowUs: Micros): number {
    return worker.kvBytesReserved + this.#foreign.kvBytes(worker, nowUs);
  }

  /** Sequences that generate on the worker; of others all are taken to do so. */
  decoding(worker: Worker, nowUs: Micros): number {
    return worker.load.decoding + this.#foreign.sessions(worker, nowUs);
  }

  /**
   * Tokens of prompt that the worker still has to compute: those of prompts that it has not read, less what it has had
   * the time for since it read the last one, of one prompt at most.
   */
  prefillTokens(endpoint: Endpoint, nowUs: Micros): number {
    return this.#readingAhead(endpoint, nowUs).tokens;
  }

  /** How long the worker has still to read in prompts that came before, and in the packet's own once it is there. */
  readingUs(endpoint: Endpoint, packet: Packet, nowUs: Micros): { ahead: Micros; own: Micros } {
    return {
      ahead: this.#latencies.readingUs(endpoint, this.#readingAhead(endpoint, nowUs)),
      own: this.#latencies.readingUs(endpoint, this.#reading(endpoint, packet, nowUs)),
    };
  }

  /** Tokens that sequences on the worker hold in its KV cache, or will once their prompts are read. */
  contextTokens({ worker, kvBytesPerToken }: Endpoint, nowUs: Micros): number {
    const foreign = kvBytesPerToken > 0 ? this.#foreign.kvBytes(worker, nowUs) / kvBytesPerToken : 0;
    return worker.load.contextTokens + foreign;
  }

  /** Share of the packet's blocks that the endpoint was sent before, up to the first it was not; 0 without blocks. */
  sentShare(endpoint: Endpoint, packet: Packet): number {
    const { blocks } = packet.request.arrival.hints;
    return blocks.length === 0 ? 0 : this.#prefixes.sentRun(endpoint, blocks) / blocks.length;
  }

  /** The same by the worker's own account of its cache; by what was sent while that is not to be believed. */
  heldShare(endpoint: Endpoint, packet: Packet, nowUs: Micros): number {
    const { blocks } = packet.request.arrival.hints;
    return blocks.length === 0 ? 0 : this.#cachedBlocks(endpoint, blocks, nowUs) / blocks.length;
  }

  /** Tokens of the packet's prompt that the endpoint would have to compute: at least 1, for the last one always is. */
  uncachedTokens(endpoint: Endpoint, packet: Packet, nowUs: Micros): number {
    const { blocks, session } = packet.request.arrival.hints;
    if (stateFor(endpoint, packet) !== null) return 1;
    let cachedTokens = 0;
    if (blocks.length > 0) {
      cachedTokens = this.#cachedBlocks(endpoint, blocks, nowUs) * this.#blockTokens;
    } else if (session !== null) {
      const place = this.#sessions.find(session, nowUs);
      if (place?.endpoint === endpoint) cachedTokens = place.tokens;
    }
    return Math.max(1, this.#tokensToHold(packet) - cachedTokens);
  }

  /** The endpoint that holds the KV cache of the packet's session; null when nobody does. */
  holder(packet: Packet, nowUs: Micros): Endpoint | null {
    const { session } = packet.request.arrival.hints;
    return session === null ? null : (this.#sessions.find(session, nowUs)?.endpoint ?? null);
  }

  /** Time to the packet's first token if it were sent there now: behind the prompts that are still to be read. */
  ttftUs(endpoint: Endpoint, packet: Packet, nowUs: Micros): Micros {
    const { ahead, own } = this.readingUs(endpoint, packet, nowUs);
    return this.#latencies.ttftUs(endpoint, ahead + own);
  }

  /** Time for each further token if one more packet were sent there now. */
  tpotUs(endpoint: Endpoint, nowUs: Micros): Micros {
    return this.#latencies.tpotUs(endpoint, this.sessions(endpoint.worker, nowUs) + 1);
  }

  /** Tokens that the packet's answers are likely to have, each. */
  outputTokens({ load }: Endpoint, { maxTokens }: Packet): number {
    return Math.min(load.outputTokens ?? maxTokens, maxTokens);
  }

  /** What each further sequence on the endpoint adds to the time for a token. */
  usPerSequence(endpoint: Endpoint): Micros {
    return this.#latencies.usPerSequence(endpoint);
  }

  /** Attempts that have not ended, and what is remembered of others: for tests and metrics. */
  get size(): { attempts: number; sessions: number; blocks: number } {
    return { attempts: this.#flights.size, sessions: this.#sessions.size, blocks: this.#prefixes.size };
  }

  #cachedBlocks(endpoint: Endpoint, blocks: readonly number[], nowUs: Micros): number {
    return this.#prefixes.heldRun(endpoint, blocks, nowUs) ?? this.#prefixes.sentRun(endpoint, blocks);
  }

  #readingAhead(endpoint: Endpoint, nowUs: Micros): Reading {
    const {
      prefilling,
      prefillTokens: tokens,
      prefillSquares: squares,
      prefillSinceUs,
    } = endpoint.worker.load;
    if (prefilling === 0 || nowUs === prefillSinceUs) return { tokens, squares };
    const share = (nowUs - prefillSinceUs) / this.#latencies.readingUs(endpoint, { tokens, squares });
    const left = 1 - Math.min(share, 1 / prefilling);
    return { tokens: tokens * left, squares: squares * left };
  }

  #reading(endpoint: Endpoint, packet: Packet, nowUs: Micros): Reading {
    const tokens = this.#tokensToHold(packet);
    return readingOf(tokens, tokens - this.uncachedTokens(endpoint, packet, nowUs));
  }

  /** The prompt and what was answered elsewhere, in tokens. */
  #tokensToHold({ request, carried }: Packet): number {
    const { model, arrival } = request;
    return this.#promptLengths.expected(model, arrival.promptTokensMax) + (carried?.tokens ?? 0);
  }

  /** The prompt turned out to have so many tokens. */
  #promptRead({ packet, endpoint }: Attempt, flight: Flight, tokens: number): void {
    const { model, arrival } = packet.request;
    this.#promptLengths.observed(model, { tokens, tokensMax: arrival.promptTokensMax });
    endpoint.worker.load.contextTokens += tokens - flight.contextTokens;
    flight.contextTokens = tokens;
  }

  /** An answer is complete: what its time says of the endpoint. */
  #learn(attempt: Attempt, flight: Flight, nowUs: Micros): void {
    const { endpoint, slots } = attempt;
    const { start, firstOutput, generatedTokens } = flight;
    const isWhole = attempt.carriedTokens === 0 && !attempt.isPrefillOnly && !attempt.isParking;
    if (isWhole) {
      this.#latencies.ended(endpoint, { latencyUs: nowUs - flight.sentUs, tokens: generatedTokens / slots });
    }
    if (start === null || firstOutput === null || nowUs <= start.atUs) return;
    // From the first output on; an answer that came in one piece is measured from the end of its prompt.
    const cameAtOnce = generatedTokens === firstOutput.tokens;
    const fromUs = cameAtOnce ? start.atUs : firstOutput.atUs;
    const tokens = cameAtOnce ? generatedTokens : generatedTokens - firstOutput.tokens;
    const integral = decodingIntegral(endpoint.worker.load, nowUs) - start.decodingIntegral;
    const meanDecoding = integral / (nowUs - start.atUs);
    this.#latencies.tokensCame(endpoint, meanDecoding, ((nowUs - fromUs) * slots) / tokens);
  }
}

/** An attempt between its dispatch and its end. */
interface Flight {
  readonly sentUs: Micros;
  /** Of its endpoint when it was sent there. */
  readonly life: number;
  /** What the worker had to read before its own prompt, and that one, as estimated. */
  readonly ahead: Reading;
  readonly own: Reading;
  /** Of prompt and answer so far. */
  contextTokens: number;
  generatedTokens: number;
  start: { atUs: Micros; decodingIntegral: number } | null;
  firstOutput: { atUs: Micros; tokens: number } | null;
}

/** The attempt's prompt needs nothing more: the next one's turn. */
function leavePrefill(load: WorkerLoad, flight: Flight, nowUs: Micros): void {
  load.prefilling--;
  load.prefillSinceUs = nowUs;
  // Lengths are estimates with fractions: no rest is left of their sum.
  const isLast = load.prefilling === 0;
  load.prefillTokens = isLast ? 0 : load.prefillTokens - flight.own.tokens;
  load.prefillSquares = isLast ? 0 : load.prefillSquares - flight.own.squares;
}

/** Brings the integral of sequences over time up to now, to be called before their number changes. */
function decodingIntegral(load: WorkerLoad, nowUs: Micros): number {
  load.decodingIntegral += load.decoding * (nowUs - load.decodingUs);
  load.decodingUs = nowUs;
  return load.decodingIntegral;
}

/** Of a prompt of which so many tokens are cached; the last token is always computed. */
function readingOf(tokens: number, cachedTokens: number): Reading {
  const cached = Math.max(0, Math.min(cachedTokens, tokens - 1));
  return { tokens: Math.max(1, tokens - cached), squares: tokens * tokens - cached * cached };
}
