import { Random } from "../../../core/random.ts";
import { type Micros, seconds } from "../../../core/units.ts";
import type { WorkloadRequest } from "../workload.ts";
import type { Draw } from "./draws.ts";

/**
 * What conversations look like. A turn's prompt is all that was said before, answers included, and new text; so is its
 * chain of blocks. A conversation of one turn is a request like any other.
 */
export interface ConversationStyle {
  seed: number;
  /** Tells conversations of several styles in one workload apart. */
  part: number;
  /** Drawn from for each conversation; a name may be there several times. */
  tenants: readonly string[];
  /** New tokens of each turn, and those of its answer. */
  prompt: Draw;
  output: Draw;
  turns: number;
  /** From an answer to the next turn, in seconds. */
  think: Draw;
  /** Tokens that conversations begin with in common, and how many different beginnings there are. */
  systemTokens: number;
  systems: number;
  /** The conversation ends before a turn for which this would be too small. */
  contextTokens: number;
  blockTokens: number;
  isBounded: boolean;
  priority: string | null;
  slo: WorkloadRequest["slo"];
  /** Whether whoever ends a conversation begins another one, as agents do, until that moment; null if not. */
  againUntilUs: Micros | null;
}

// A block's number is that of its conversation, counted from 1, times 2^17, and its place in it: whole blocks in the lower
// half, the unfinished last one of each turn in the upper. Below 2^17 are the common beginnings.
const CONVERSATION_BLOCKS = 2 ** 17;
const UNFINISHED_BLOCKS = CONVERSATION_BLOCKS / 2;
export const CONTEXT_BLOCKS_MAX = UNFINISHED_BLOCKS;
export const SYSTEM_BLOCKS_MAX = 2 ** 11;
export const SYSTEMS_MAX = CONVERSATION_BLOCKS / SYSTEM_BLOCKS_MAX;
export const TURNS_MAX = 10_000;
// And a conversation's is put together from its part, its place in it, and how many its client has had before.
export const PARTS_MAX = 2 ** 4;
export const CONVERSATIONS_MAX = 2 ** 20;
const AGAIN_MAX = 2 ** 12;

/** What chance decides: each with numbers of its own. */
const PURPOSES = { tenant: 0, turn: 1, think: 2, system: 3 } as const;

/** Where in its conversation a request is. */
interface Place {
  conversation: number;
  /** How many conversations its client has had before this one. */
  before: number;
  turn: number;
  tenant: string;
  /** The prompt and the answer. */
  contextTokens: number;
}

/**
 * Makes the requests of conversations. Which one follows another is decided by seed and place alone: a workload can
 * be run any number of times, and goes the same way each time.
 */
export class Conversations {
  readonly #style: ConversationStyle;
  readonly #seed: number;
  readonly #places = new WeakMap<WorkloadRequest, Place>();

  constructor(style: ConversationStyle) {
    this.#style = style;
    // Seeds that follow each other must not have conversations in common.
    this.#seed = new Random(style.seed).between(0, 2 ** 52);
  }

  begin(conversation: number, atUs: Micros): WorkloadRequest {
    const place = { conversation, before: 0, turn: 0, contextTokens: 0 };
    const tenant = this.#randomFor("tenant", place).pick(this.#style.tenants);
    return this.#turn({ ...place, tenant }, atUs)!;
  }

  /** The next turn; null after the last, and for what is none of ours. */
  follow(request: WorkloadRequest, endUs: Micros): WorkloadRequest | null {
    const place = this.#places.get(request);
    if (place === undefined) return null;
    const { turns, think, againUntilUs } = this.#style;
    const atUs = endUs + seconds(think(this.#randomFor("think", place)));
    if (againUntilUs !== null && atUs >= againUntilUs) return null;
    const next = place.turn + 1 < turns ? this.#turn({ ...place, turn: place.turn + 1 }, atUs) : null;
    if (next !== null || againUntilUs === null || place.before + 1 === AGAIN_MAX) return next;
    return this.#turn({ ...place, before: place.before + 1, turn: 0, contextTokens: 0 }, atUs);
  }

  /** Null where the context would be too small; the first turn is cut to fit. */
  #turn(before: Place, atUs: Micros): WorkloadRequest | null {
    const { contextTokens, isBounded, priority, slo } = this.#style;
    const random = this.#randomFor("turn", before);
    const system = this.#style.systemTokens;
    const said = before.turn === 0 ? system : before.contextTokens;
    const room = contextTokens - said;
    let newTokens = wholeTokens(this.#style.prompt(random));
    let outputTokens = wholeTokens(this.#style.output(random));
    if (newTokens + outputTokens > room) {
      if (before.turn > 0) return null;
      outputTokens = Math.min(outputTokens, Math.ceil(room / 2));
      newTokens = Math.min(newTokens, room - outputTokens);
    }
    const promptTokens = said + newTokens;
    const number = this.#numberOf(before);
    const request: WorkloadRequest = {
      atUs,
      tenant: before.tenant,
      model: null,
      promptTokens,
      outputTokens,
      maxTokens: isBounded ? outputTokens : null,
      blocks: this.#blocks(before, promptTokens),
      session: this.#style.turns > 1 ? `s${number}` : null,
      priority,
      slo,
    };
    this.#places.set(request, { ...before, contextTokens: promptTokens + outputTokens });
    return request;
  }

  #blocks(place: Place, promptTokens: number): number[] {
    const { blockTokens, systemTokens, systems } = this.#style;
    const first = this.#numberOf(place) * CONVERSATION_BLOCKS;
    const whole = Math.floor(promptTokens / blockTokens);
    const common = Math.floor(systemTokens / blockTokens);
    const system =
      this.#randomFor("system", { ...place, turn: 0 }).between(0, systems - 1) * SYSTEM_BLOCKS_MAX;
    const blocks = Array.from({ length: whole }, (_, i) => (i < common ? system : first) + i);
    if (whole * blockTokens < promptTokens) blocks.push(first + UNFINISHED_BLOCKS + place.turn);
    return blocks;
  }

  #numberOf({ conversation, before }: Pick<Place, "conversation" | "before">): number {
    return 1 + conversation + CONVERSATIONS_MAX * (this.#style.part + PARTS_MAX * before);
  }

  /** Its own chance, whatever was drawn elsewhere. */
  #randomFor(purpose: keyof typeof PURPOSES, place: Pick<Place, "conversation" | "before" | "turn">): Random {
    const own = new Random(this.#seed + this.#numberOf(place)).between(0, 2 ** 32);
    return new Random(own * 2 ** 20 + place.turn * Object.keys(PURPOSES).length + PURPOSES[purpose]);
  }
}

function wholeTokens(length: number): number {
  return Math.max(1, Math.round(length));
}
