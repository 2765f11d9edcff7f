import { assert } from "./assert.ts";
import { type Charge, NOTHING } from "./budget/charge.ts";
import type { LimitReached } from "./budget/shortage.ts";
import type { Use } from "./budget/use.ts";
import type { GpuShare } from "./budget/gpu-time.ts";
import type { Price } from "./budget/money.ts";
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
  /** Who pays: a path from the root of the account tree. */
  readonly account: string;
  /** The model that serves it, after aliases. */
  readonly model: string;
  readonly price: Price;
  /** In order of choice. */
  readonly packets: Packet[];
  deadline: TimerHandle | null;
  /** Set while the client is not reading. */
  slowClient: TimerHandle | null;
  firstTokenUs: Micros | null;
  /** All that was posted for it so far; the request itself counts once, with the first post. */
  charged: Charge;
  /** Workers that attempts were sent to, in order. */
  readonly workers: string[];
  /** Name of the placement profile it goes by. */
  profile: string;
  hedges: number;
  migrations: number;
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
  /** Ceiling on generated tokens of each choice: what was planned, or what its budget has room for. */
  maxTokens: number;
  /** Whether it only goes where it can be stopped at a token, so that it need not be held to its end at once. */
  readonly isOnCredit: boolean;
  /** Its open hold. */
  hold: string | null;
  /** Tokens of each choice that the hold covers, and those among them that a crash would not lose. */
  heldTokens: number;
  creditTokens: number;
  /** GPU time that the hold covers, what of it a crash would not lose, and what attempts that have ended used of it. */
  heldGpuUs: number;
  creditGpuUs: number;
  usedGpuUs: number;
  /** The limit that has kept it from more tokens. */
  shortage: LimitReached | null;
  /** The account whose budget it waits for, and until when. */
  waitsFor: string | null;
  /** It only waits for word of what can be leased, whether it would wait for its budget or not. */
  isAsking: boolean;
  fundingTimer: TimerHandle | null;
  queueTimer: TimerHandle | null;
  attempt: Attempt | null;
  /** When it was first sent; null before. */
  dispatchedUs: Micros | null;
  /** Attempts made so far. */
  attempts: number;
  /** Attempts that failed since the answer has last come forward. */
  failures: number;
  /** Lives of endpoints that failed it: never picked for it again. See `lifeOf`. */
  readonly tried: Set<string>;
  /** What an endpoint's context has to hold at least, as far as endpoints have found theirs too small. */
  contextTokensMin: number;
  /** What its last attempt came to; nothing until that one has ended. */
  usage: TokenUsage;
  /** What is charged for that when the request ends. */
  use: Use;
  /** Where its answer goes on, once it has left the endpoint that began it; null before. */
  carried: Carried | null;
  /** What has been posted already of the answer that goes on. */
  paid: TokenUsage;
  /** The other of two that race for the same answer; null without a hedge. */
  rival: Packet | null;
  /** It was parked for somebody more urgent, and waits behind them. */
  hasGivenWay: boolean;
  /** Whether it is the one that was sent after the other. */
  readonly isHedge: boolean;
  /** When a hedge is due, or when it may be tried again after a failure. */
  hedgeTimer: TimerHandle | null;
  backoffTimer: TimerHandle | null;
}

/** An answer on its way from one endpoint to another. */
export interface Carried {
  /** The attempt that got it so far. */
  attempt: string;
  /** Tokens relayed. */
  tokens: number;
  prompt: Attempt["prompt"];
  /** Of the model that began it; null when not told. */
  modelHash: string | null;
  /** Where its KV state waits, and who can load it; null where it has to be read again. */
  state: { worker: string; fingerprint: string } | null;
}

/** One sending of a packet to one endpoint. */
export interface Attempt {
  readonly id: string;
  readonly packet: Packet;
  readonly endpoint: Endpoint;
  /** The endpoint's at that time, of which its worker's next process knows nothing: see `lifeOf`. */
  readonly life: string;
  /** Places it takes at the endpoint. */
  readonly slots: number;
  /** What comes back: one stream for each choice, or a single one from a remote endpoint, which mixes them itself. */
  readonly streams: AttemptStream[];
  /** Tokens that each stream may have. */
  creditTokens: number;
  /** KV cache set aside for it on the worker. */
  kvBytes: number;
  /** Null until the prompt has been read, by it or by the one whose answer it goes on with. */
  prompt: { tokens: number; cached: number } | null;
  /** Whether its own endpoint has read the prompt, and what comes before its first token. */
  hasStarted: boolean;
  readonly dispatchedUs: Micros;
  /** Tokens that it began with. */
  readonly carriedTokens: number;
  /** It reads the prompt, and another one answers. */
  readonly isPrefillOnly: boolean;
  /** It has been asked to park. */
  isParking: boolean;
  /** It has been asked to park for somebody more urgent. */
  isYielding: boolean;
  /** Of all streams together. */
  generatedTokens: number;
  /** What they can be at most: more where an endpoint sends them uncounted. */
  generatedTokensMax: number;
  /** More credit was refused; it is asked for once more when what there is has run out. */
  isShort: boolean;
  /** Of its start, its latest token, or its dispatch: whatever came last. */
  progressUs: Micros;
  silence: TimerHandle | null;
  /** See `gpu-bounds.ts`. */
  readonly gpu: GpuBound;
}

/** How long an attempt may run on GPUs. */
export interface GpuBound {
  /** What its places are. */
  readonly share: GpuShare;
  /** What the timer is for; null where nothing has to be asked for before the request's own time is over. */
  next: "ask" | "last_call" | "cut" | null;
  /** Of the packet's, when that was decided. */
  creditGpuUs: number;
  timer: TimerHandle | null;
  /** The limit that has refused more. */
  shortage: LimitReached | null;
}

/** One answer in the making. */
export interface AttemptStream {
  generatedTokens: number;
  /** Null while it goes on. */
  end: StreamEnd | null;
}

export interface StreamEnd {
  finishReason: string;
  /** Where we ended it, and not the endpoint. */
  isCut: boolean;
  /** The limit that is the reason; null when none is. */
  shortage: LimitReached | null;
}

export const NO_USAGE: TokenUsage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };

export function newRequest(options: {
  arrival: RequestArrived;
  model: string;
  price: Price;
  nowUs: Micros;
  profile?: string;
}): Request {
  const { arrival, model, price, nowUs, profile = "" } = options;
  return {
    id: arrival.request,
    arrival,
    arrivedUs: nowUs,
    account: accountOf(arrival),
    model,
    price,
    packets: [],
    deadline: null,
    slowClient: null,
    firstTokenUs: null,
    charged: NOTHING,
    workers: [],
    profile,
    hedges: 0,
    migrations: 0,
  };
}

function accountOf({ tenant, key, account }: RequestArrived): string {
  if (account !== undefined) return account;
  return key === null ? `global/${tenant}` : `global/${tenant}/${key}`;
}

export function newPacket(
  request: Request,
  piece: { choice: number; choices: number; maxTokens: number; isOnCredit: boolean; isHedge?: boolean },
): Packet {
  const { isHedge = false } = piece;
  return {
    id: `${request.id}/${piece.choice}${isHedge ? hedgeMark(request) : ""}`,
    request,
    ...piece,
    isHedge,
    stage: "plan",
    stageSinceUs: request.arrivedUs,
    stagesUs: {},
    hold: null,
    heldTokens: 0,
    creditTokens: 0,
    heldGpuUs: 0,
    creditGpuUs: 0,
    usedGpuUs: 0,
    shortage: null,
    waitsFor: null,
    isAsking: false,
    fundingTimer: null,
    queueTimer: null,
    attempt: null,
    dispatchedUs: null,
    attempts: 0,
    failures: 0,
    tried: new Set(),
    contextTokensMin: 0,
    usage: NO_USAGE,
    use: "none",
    carried: null,
    paid: NO_USAGE,
    rival: null,
    hasGivenWay: false,
    hedgeTimer: null,
    backoffTimer: null,
  };
}

/** Ends the id of the second of two packets for one answer; a request may have more than one in the course of time. */
function hedgeMark({ hedges }: Request): string {
  return hedges === 0 ? "h" : `h${hedges + 1}`;
}

/** Moves a packet on and books the time it spent in the stage it leaves. */
export function enter(packet: Packet, stage: Stage, nowUs: Micros): void {
  assert(mayFollow(packet.stage, stage), `${packet.id} may not go from ${packet.stage} to ${stage}`);
  packet.stagesUs[packet.stage] = (packet.stagesUs[packet.stage] ?? 0) + nowUs - packet.stageSinceUs;
  packet.stage = stage;
  packet.stageSinceUs = nowUs;
}

/** Whether part of its answer has been relayed by attempts before, so that the next one goes on behind that. */
export function isShown(packet: Packet): packet is Packet & { carried: Carried } {
  return packet.carried !== null && packet.carried.tokens > 0;
}

/**
 * What an attempt has used, as far as the supervisor has heard, and where tokens came uncounted what they can be at most:
 * else they could be more than was charged. Some endpoints tell the length of
 * the prompt at the end only: once they generate they have read it, and its bound counts.
 */
export function usageSoFar(attempt: Attempt): TokenUsage {
  const { prompt, generatedTokens, generatedTokensMax, packet } = attempt;
  const atMost = Math.min(generatedTokensMax, attempt.creditTokens * attempt.streams.length);
  const unheardOf = generatedTokens > 0 ? packet.request.arrival.promptTokensMax : 0;
  return {
    promptTokens: prompt?.tokens ?? unheardOf,
    cachedTokens: prompt?.cached ?? 0,
    completionTokens: Math.max(generatedTokens, atMost),
  };
}
