import { type Charge, NOTHING } from "../../core/budget/charge.ts";
import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { Price } from "../../core/budget/money.ts";
import type { CoreConfig } from "../../core/config.ts";
import type { Dispatch, Effect, GrantCredit, Relay } from "../../core/effects.ts";
import type { RequestArrived, SupervisorEvent } from "../../core/events.ts";
import type { Micros } from "../../core/units.ts";
import type { FailureReason, TokenUsage } from "../../core/vocabulary.ts";
import { choiceOf, packetOf, requestOf } from "../ids.ts";
import type { Sighting } from "../sightings.ts";
import { isSame } from "./book.ts";
import type { Checker, Violate } from "./checker.ts";
import { priced, priceInForce } from "./prices.ts";

interface OpenHold {
  id: string;
  outputTokens: number;
  /** Of those, what would survive a crash: as the disk has it, and not as the supervisor was told. */
  durableTokens: number;
  /** The attempt that runs under it; null before, between and after attempts. */
  attempt: string | null;
  choices: number;
  /** What the last attempt has used, as the endpoint has said and as was relayed. */
  usage: TokenUsage;
  hasBegun: boolean;
  /** It has been said how long the prompt is: by the attempt that has read it first. */
  hasPrompt: boolean;
  /** It works without a word, and will send a bill. */
  isBilledUnheard: boolean;
  /** It has said what it came to. */
  isFinished: boolean;
  /** It was ended when the GPU time was over that was held for it. */
  isOutOfTime: boolean;
  /** It runs where tokens are counted by us. */
  isMetered: boolean;
  /** Tokens of an answer that goes on under this hold and were charged, with the prompt, under those before it; null for none. */
  paidTokens: number | null;
  /** Attempts that ran under it. */
  attempts: number;
}

interface Watched {
  arrival: RequestArrived;
  price: Price;
  /** How often the request itself has been charged. */
  counted: number;
  /** Anything was posted for it. */
  isCharged: boolean;
  /** How long the prompt is by each of its packets, as far as that was said before their answers went on elsewhere. */
  promptTokens: Map<string, number>;
}

/** Failures in which a remote endpoint has not taken the work on. */
const UNBILLED: ReadonlySet<FailureReason> = new Set([
  "unreachable",
  "at_capacity",
  "endpoint_error",
  "request_rejected",
  "context_length_exceeded",
] as const);

const NO_USAGE: TokenUsage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };

/**
 * What each hold is for. Nothing is dispatched, granted or relayed that no durable hold covers; a hold
 * is charged exactly what its attempt has used, at the model's price rounded up once; and a request
 * counts once, however often it is tried.
 */
export class HoldsChecker implements Checker {
  readonly #config: CoreConfig;
  readonly #violate: Violate;
  readonly #remotes: ReadonlySet<string>;
  readonly #requests = new Map<string, Watched>();
  /** Workers that can't be stopped at a token; all others that send heartbeats are metered. */
  readonly #unmetered = new Set<string>();
  /** By packet: one has at most one hold at a time. */
  readonly #open = new Map<string, OpenHold>();

  constructor(config: CoreConfig, violate: Violate) {
    this.#config = config;
    this.#violate = violate;
    this.#remotes = new Set(config.remotes.map(({ name }) => name));
  }

  event(nowUs: Micros, event: SupervisorEvent): void {
    switch (event.kind) {
      case "request_arrived": {
        const price = priceInForce(event.model, this.#config, nowUs);
        if (price === null) return;
        const watched = { arrival: event, price, counted: 0, isCharged: false, promptTokens: new Map() };
        this.#requests.set(event.request, watched);
        return;
      }
      case "attempt_started": {
        const hold = this.#holdOf(event.attempt);
        if (hold === undefined) return;
        const { promptTokens, cachedTokens } = event;
        hold.usage = this.#credible(hold, { ...hold.usage, promptTokens, cachedTokens });
        hold.hasBegun = hold.hasPrompt = true;
        return;
      }
      case "attempt_finished": {
        const hold = this.#holdOf(event.attempt);
        if (hold === undefined) return;
        hold.usage = this.#credible(hold, event.usage);
        hold.hasBegun = hold.isFinished = true;
        return;
      }
      case "heartbeat_received":
        if (event.dialect === "prefill_decode") this.#unmetered.add(event.worker);
        return;
      case "attempt_failed": {
        const hold = this.#holdOf(event.attempt);
        if (hold !== undefined && UNBILLED.has(event.reason)) hold.isBilledUnheard = false;
        // Who was turned away has not been there.
        if (event.reason !== "at_capacity" || hold === undefined) return;
        hold.attempts--;
        if (hold.attempts === 0) Object.assign(hold, { hasBegun: false, usage: NO_USAGE });
        return;
      }
      default:
    }
  }

  effects(_nowUs: Micros, effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case "append_ledger":
          this.#append(effect.entry);
          break;
        case "dispatch":
          this.#dispatch(effect);
          break;
        case "grant_credit":
          this.#grant(effect);
          break;
        case "relay":
          this.#relay(effect);
          break;
        case "cancel_attempt": {
          const hold = this.#holdOf(effect.attempt);
          if (hold === undefined) break;
          hold.attempt = null;
          // It has used all that it was granted.
          if (effect.reason === "credit_exhausted") hold.isFinished = true;
          if (effect.reason === "gpu_time_over") hold.isOutOfTime = true;
          break;
        }
        case "finish_request":
          if (this.#requests.get(effect.request)?.counted !== 1) {
            this.#violate(effect.request, "is answered and not counted as a request");
          }
          break;
        case "request_settled":
          this.#requests.delete(effect.record.request);
          break;
        default:
      }
    }
  }

  sighting(sighting: Sighting): void {
    if (sighting.kind !== "entries_durable") return;
    for (const { operation, hold: id, charge } of sighting.entries) {
      if (operation !== "reserve" && operation !== "extend") continue;
      const hold = this.#open.get(packetOf(id));
      if (hold?.id === id) hold.durableTokens += charge.outputTokens;
    }
  }

  #append({ operation, hold: id, charge, overage, inDoubt }: LedgerEntry): void {
    const packet = packetOf(id);
    switch (operation) {
      case "reserve":
        return this.#reserve(id, charge);
      case "extend": {
        const hold = this.#open.get(packet);
        if (hold?.id !== id) return this.#violate(requestOf(id), `hold ${id} is extended, and not open`);
        hold.outputTokens += charge.outputTokens;
        return;
      }
      case "post":
      case "void": {
        const hold = this.#open.get(packet);
        // Those of earlier lives are the ledger's affair.
        if (hold?.id !== id) return;
        this.#open.delete(packet);
        if (overage !== null) this.#checkOverage(hold, charge);
        return this.#checkEnd(hold, { operation, charge, inDoubt });
      }
      case "adjust":
    }
  }

  #reserve(id: string, charge: Charge): void {
    const packet = packetOf(id);
    const before = this.#open.get(packet);
    if (before !== undefined) this.#violate(requestOf(id), `hold ${id} is made while ${before.id} is open`);
    this.#open.set(packet, {
      id,
      outputTokens: charge.outputTokens,
      durableTokens: 0,
      attempt: null,
      choices: 1,
      usage: NO_USAGE,
      hasBegun: false,
      isBilledUnheard: false,
      isFinished: false,
      isOutOfTime: false,
      isMetered: false,
      paidTokens: null,
      attempts: 0,
      hasPrompt: false,
    });
  }

  /** An engine that is metered has not read more than the prompt's bound, nor generated more than its credit, whatever it says. */
  #credible(hold: OpenHold, usage: TokenUsage): TokenUsage {
    const { id, isMetered, durableTokens, paidTokens } = hold;
    const watched = this.#requests.get(requestOf(id));
    if (!isMetered || watched === undefined) return usage;
    const promptTokens = Math.min(usage.promptTokens, watched.arrival.promptTokensMax);
    const prompt = hold.hasPrompt
      ? hold.usage
      : { promptTokens, cachedTokens: Math.min(usage.cachedTokens, promptTokens) };
    return {
      ...prompt,
      completionTokens: Math.min(usage.completionTokens, durableTokens + (paidTokens ?? 0)),
    };
  }

  /** Only tokens beyond those that were held may cost more than was held, of whatever kind they turn out to be. */
  #checkOverage({ id, outputTokens }: OpenHold, charge: Charge): void {
    const watched = this.#requests.get(requestOf(id));
    if (watched === undefined || charge.inputTokens > watched.arrival.promptTokensMax) return;
    if (charge.outputTokens > outputTokens) return;
    this.#violate(requestOf(id), `hold ${id} covers ${charge.outputTokens} tokens, and not their price`);
  }

  #checkEnd(
    hold: OpenHold,
    { operation, charge, inDoubt }: Pick<LedgerEntry, "operation" | "charge" | "inDoubt">,
  ): void {
    const { id, usage, hasBegun, isBilledUnheard, isFinished, isOutOfTime, paidTokens } = hold;
    const request = requestOf(id);
    const watched = this.#requests.get(request);
    if (watched === undefined) return this.#violate(request, `hold ${id} ends after its request`);
    const isUsed = hasBegun || usage.completionTokens > 0;
    // The first packet counts the request, which others of it may have made cost something.
    const countsRequest = choiceOf(id) === 0 && watched.isCharged && watched.counted === 0;
    // It may have thought more than it has said.
    const isInDoubt = isBilledUnheard && !isFinished && watched.price.reasoning !== undefined;
    // An answer that had no time to begin is one; and time that was taken is charged where nothing else is.
    const isCharged = countsRequest || isOutOfTime;
    const isTimed = charge.gpuUs > 0 && operation === "post";
    const unused = isBilledUnheard ? "post in doubt" : isCharged || isTimed ? "post" : "void";
    const expected = isUsed && !isInDoubt ? "post" : unused;
    const seen = inDoubt ? `${operation} in doubt` : operation;
    if (seen !== expected) return this.#violate(request, `hold ${id} ends in ${seen}, not in ${expected}`);
    const isOfTimeAlone = isTimed && isSame(charge, { ...NOTHING, gpuUs: charge.gpuUs });
    if (!isUsed && isTimed && !isCharged && !inDoubt) {
      if (!isOfTimeAlone)
        this.#violate(request, `hold ${id} is charged ${JSON.stringify(charge)} for time alone`);
      return;
    }
    if (expected === "post")
      this.#checkCharge(id, { watched, usage: isUsed ? usage : null, charge, paidTokens });
    if (operation !== "post") return;
    if (usage.promptTokens > 0) watched.promptTokens.set(packetOf(id), usage.promptTokens);
    watched.counted += charge.requests;
    if (!isOfTimeAlone) watched.isCharged = true;
  }

  #checkCharge(
    id: string,
    end: { watched: Watched; usage: TokenUsage | null; charge: Charge; paidTokens: number | null },
  ): void {
    const { watched, charge, paidTokens } = end;
    const usage = end.usage ?? NO_USAGE;
    const { arrival, price, counted } = watched;
    // Whoever generates has read the prompt; one that has not said how long it is counts as its bound.
    const unheardOf = end.usage === null ? 0 : arrival.promptTokensMax;
    const readTokens = usage.promptTokens === 0 ? unheardOf : usage.promptTokens;
    const requests = choiceOf(id) === 0 && counted === 0 ? 1 : 0;
    // A prompt counts once, however often its answer goes on elsewhere.
    const isPaid = paidTokens !== null;
    const promptTokens = isPaid ? 0 : readTokens;
    const cachedTokens = isPaid ? 0 : usage.cachedTokens;
    const completionTokens = isPaid
      ? Math.max(0, usage.completionTokens - paidTokens)
      : usage.completionTokens;
    // Only who says it at the end has thought, and only remote endpoints do.
    const reasoningTokens = Math.min(usage.reasoningTokens ?? 0, completionTokens);
    const use = { ...usage, promptTokens, cachedTokens, completionTokens, reasoningTokens };
    const expected: Charge = {
      nanoUsd: priced(price, use, readTokens) + requests * price.request,
      inputTokens: promptTokens,
      cachedTokens,
      outputTokens: completionTokens,
      reasoningTokens,
      requests,
      // Somebody else looks at that.
      gpuUs: charge.gpuUs,
    };
    if (isSame(charge, expected)) return;
    const amounts = `${JSON.stringify(charge)} for ${JSON.stringify(expected)}`;
    this.#violate(requestOf(id), `hold ${id} is charged ${amounts}`);
  }

  #dispatch({ request, attempt, worker, choices, creditTokens, resume }: Dispatch): void {
    const hold = this.#open.get(packetOf(attempt));
    if (hold === undefined) return this.#violate(request, `${attempt} is dispatched without a hold`);
    const isRemote = this.#remotes.has(worker);
    const isFirst = hold.attempts++ === 0;
    // What has been used before under the same hold stays so: the answer goes on.
    const promptTokens = this.#requests.get(request)?.promptTokens.get(packetOf(attempt)) ?? 0;
    const before = isFirst
      ? { ...NO_USAGE, promptTokens, completionTokens: resume?.tokens ?? 0 }
      : hold.usage;
    if (resume !== null && isFirst) {
      hold.paidTokens = resume.tokens;
      hold.hasPrompt = true;
    }
    Object.assign(hold, {
      attempt,
      // A remote endpoint's credit is that of all choices together.
      choices: isRemote ? 1 : choices,
      ...(resume === null
        ? { usage: NO_USAGE, hasBegun: false, hasPrompt: false }
        : { usage: before, hasBegun: true }),
      isBilledUnheard: isRemote,
      isMetered: !isRemote && !this.#unmetered.has(worker),
    });
    this.#checkCredit(hold, { attempt, creditTokens });
  }

  #grant({ attempt, creditTokens }: GrantCredit): void {
    const hold = this.#holdOf(attempt);
    if (hold === undefined)
      return this.#violate(requestOf(attempt), `${attempt} is granted credit it has no hold for`);
    this.#checkCredit(hold, { attempt, creditTokens });
  }

  #checkCredit(
    { id, choices, durableTokens, paidTokens }: OpenHold,
    { attempt, creditTokens }: { attempt: string; creditTokens: number },
  ): void {
    if (creditTokens * choices <= durableTokens + (paidTokens ?? 0) && durableTokens > 0) return;
    const granted = `${attempt} may generate ${creditTokens} tokens for each of ${choices} choices`;
    this.#violate(requestOf(id), `${granted}, and ${durableTokens} of its hold are durable`);
  }

  #relay({ request, attempt, tokens }: Relay): void {
    const hold = this.#holdOf(attempt);
    if (hold === undefined) return this.#violate(request, `tokens of ${attempt} are relayed without a hold`);
    const completionTokens = hold.usage.completionTokens + tokens;
    hold.usage = { ...hold.usage, completionTokens };
    if (completionTokens <= hold.durableTokens + (hold.paidTokens ?? 0)) return;
    const covered = `hold ${hold.id}, of which ${hold.durableTokens} are durable`;
    this.#violate(request, `${completionTokens} tokens are relayed on ${covered}`);
  }

  /** The hold that an attempt runs under; undefined once the attempt is over. */
  #holdOf(attempt: string): OpenHold | undefined {
    const hold = this.#open.get(packetOf(attempt));
    return hold?.attempt === attempt ? hold : undefined;
  }
}
