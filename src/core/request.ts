import { assert } from "./assert.ts";
import type { Hold } from "./budget/budget.ts";
import type { Endpoint } from "./fleet/endpoint.ts";
import type { RequestArrived } from "./events.ts";
import { mayFollow, type Stage } from "./lifecycle.ts";
import type { TimerHandle } from "./deadlines.ts";
import type { Micros } from "./units.ts";
import type { TokenUsage } from "./vocabulary.ts";

/** What a client asked for, from its arrival until it is settled. */
export interface Request {
  readonly id: string;
  readonly arrival: RequestArrived;
  readonly arrivedUs: Micros;
  /** The model that serves it, after aliases. */
  readonly model: string;
  /** Ceiling on generated tokens of each choice, after planning. */
  readonly maxTokens: number;
  /** In order of choice. */
  readonly packets: Packet[];
  deadline: TimerHandle | null;
  /** Set while the client is not reading. */
  slowClient: TimerHandle | null;
  firstTokenUs: Micros | null;
  /** Workers that attempts were sent to, in order. */
  readonly workers: string[];
}

/** The unit of dispatch: one piece of a request, with its own hold, attempts and receipt. */
export interface Packet {
  readonly id: string;
  readonly request: Request;
  readonly choice: number;
  readonly choices: number;
  stage: Stage;
  stageSinceUs: Micros;
  /** Time spent in the stages it has left. */
  readonly stagesUs: Partial<Record<Stage, Micros>>;
  hold: Hold | null;
  queueTimer: TimerHandle | null;
  attempt: Attempt | null;
  /** Attempts made so far. */
  attempts: number;
  /** Endpoints that failed it: never picked for it again. */
  readonly tried: Set<string>;
  /** What an endpoint's context has to hold at least, as far as endpoints have found theirs too small. */
  contextTokensMin: number;
  /** What its last attempt came to; nothing until that one has ended. */
  usage: TokenUsage;
}

/** One sending of a packet to one endpoint. */
export interface Attempt {
  readonly id: string;
  readonly packet: Packet;
  readonly endpoint: Endpoint;
  readonly creditTokens: number;
  /** KV cache set aside for it on the worker. */
  kvBytes: number;
  /** Null until the prompt has been read. */
  prompt: { tokens: number; cached: number } | null;
  generatedTokens: number;
  /** Of its start, its latest token, or its dispatch: whatever came last. */
  progressUs: Micros;
  silence: TimerHandle | null;
}

const NO_USAGE: TokenUsage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };

export function newRequest(options: {
  arrival: RequestArrived;
  model: string;
  maxTokens: number;
  nowUs: Micros;
}): Request {
  const { arrival, model, maxTokens, nowUs } = options;
  return {
    id: arrival.request,
    arrival,
    arrivedUs: nowUs,
    model,
    maxTokens,
    packets: [],
    deadline: null,
    slowClient: null,
    firstTokenUs: null,
    workers: [],
  };
}

export function newPacket(request: Request, piece: { choice: number; choices: number }): Packet {
  return {
    id: `${request.id}/${piece.choice}`,
    request,
    ...piece,
    stage: "plan",
    stageSinceUs: request.arrivedUs,
    stagesUs: {},
    hold: null,
    queueTimer: null,
    attempt: null,
    attempts: 0,
    tried: new Set(),
    contextTokensMin: 0,
    usage: NO_USAGE,
  };
}

/** Moves a packet on and books the time it spent in the stage it leaves. */
export function enter(packet: Packet, stage: Stage, nowUs: Micros): void {
  assert(mayFollow(packet.stage, stage), `${packet.id} may not go from ${packet.stage} to ${stage}`);
  packet.stagesUs[packet.stage] = (packet.stagesUs[packet.stage] ?? 0) + nowUs - packet.stageSinceUs;
  packet.stage = stage;
  packet.stageSinceUs = nowUs;
}

/**
 * What an attempt has used, as far as the supervisor has heard. Some endpoints tell the length of
 * the prompt at the end only: once they generate they have read it, and its bound counts.
 */
export function usageSoFar(attempt: Attempt): TokenUsage {
  const { prompt, generatedTokens, packet } = attempt;
  const unheardOf = generatedTokens > 0 ? packet.request.arrival.promptTokensMax : 0;
  return {
    promptTokens: prompt?.tokens ?? unheardOf,
    cachedTokens: prompt?.cached ?? 0,
    completionTokens: generatedTokens,
  };
}
