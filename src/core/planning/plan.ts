import { type Price, priceAt } from "../budget/money.ts";
import type { CoreConfig } from "../config.ts";
import type { HeadgateError } from "../errors.ts";
import type { RequestArrived } from "../events.ts";
import type { Endpoint } from "../fleet/endpoint.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { sessionKvBytes } from "../fleet/kv.ts";
import { isRemote, takesCredit } from "../fleet/worker.ts";
import type { Micros } from "../units.ts";
import { ANY_MODEL } from "../vocabulary.ts";

/** How a request will be carried out: one entry a packet. */
export type Plan = PlannedPacket[];

export interface PlannedPacket {
  /** The first of the client's choices that it answers, and how many. */
  choice: number;
  choices: number;
  /** Ceiling on generated tokens of each choice. */
  maxTokens: number;
  isOnCredit: boolean;
}

/** The model behind the name a client used. */
export function resolveModel(name: string, aliases: CoreConfig["aliases"]): string {
  return Object.hasOwn(aliases, name) ? aliases[name]! : name;
}

/** The name it is served under: its own, or that of the workers that take any model where nobody else knows it. */
export function servedModel(model: string, state: { config: CoreConfig; fleet: Fleet }): string {
  const { config, fleet } = state;
  const isKnown = fleet.known(model).length > 0 || Object.hasOwn(config.models, model);
  return isKnown || fleet.known(ANY_MODEL).length === 0 ? model : ANY_MODEL;
}

/** What the model costs at that instant, or why it can't be served: nothing is free in silence. */
export function priceOf(model: string, config: CoreConfig, atUs: Micros): Price | HeadgateError {
  const own = Object.hasOwn(config.prices, model) ? config.prices[model]! : null;
  const price = Array.isArray(own) ? priceAt(own, atUs) : own;
  if (price !== null) return price;
  if (config.defaultPrice !== null) return config.defaultPrice;
  const message = `The model ${JSON.stringify(model)} has no price${own === null ? "" : " yet"}.`;
  return { code: "model_unpriced", message };
}

/**
 * Cuts a request into packets. All choices share one reading of the prompt, as far as one endpoint
 * can take them together; a remote endpoint takes them all.
 */
export function plan(
  arrival: RequestArrived,
  model: string,
  state: { config: CoreConfig; endpoints: readonly Endpoint[] },
): Plan | HeadgateError {
  const { config, endpoints } = state;
  if (arrival.choices > config.limits.choicesMax) {
    return {
      code: "invalid_request",
      param: "n",
      message: `n is ${arrival.choices}, and at most ${config.limits.choicesMax} choices are allowed.`,
    };
  }
  const contextTokens = Math.max(...endpoints.map((endpoint) => endpoint.contextTokens));
  const wanted = arrival.maxTokens ?? config.models[model]?.maxTokensDefault ?? contextTokens;
  const maxTokens = Math.min(wanted, contextTokens);
  const together = Math.max(
    ...endpoints.map((endpoint) => choicesTogether(endpoint, { arrival, maxTokens, config })),
  );
  if (together === 0) {
    return {
      code: "context_length_exceeded",
      param: "max_tokens",
      message: "Prompt and answer could need more KV cache than a session may hold on any worker.",
    };
  }
  const isOnCredit = endpoints.every(({ worker }) => takesCredit(worker));
  const packets: Plan = [];
  for (let choice = 0; choice < arrival.choices; choice += together) {
    const choices = Math.min(together, arrival.choices - choice);
    packets.push({ choice, choices, maxTokens, isOnCredit });
  }
  return packets;
}

/** How many choices of the request the endpoint could ever run at the same time, on one reading of the prompt. */
function choicesTogether(
  endpoint: Endpoint,
  request: { arrival: RequestArrived; maxTokens: number; config: CoreConfig },
): number {
  const { arrival, maxTokens, config } = request;
  const { worker, slots } = endpoint;
  if (isRemote(worker)) return arrival.choices;
  const bytes = sessionKvBytes({
    promptTokens: arrival.promptTokensMax,
    maxTokens,
    contextTokens: endpoint.contextTokens,
    bytesPerToken: endpoint.kvBytesPerToken,
  });
  const { sessionKvBytesMax, kvBytesMax, sessionsMax } = worker.limits;
  if (bytes > sessionKvBytesMax) return 0;
  const fitting = bytes === 0 ? Infinity : Math.floor(Math.min(kvBytesMax, config.limits.kvBytesMax) / bytes);
  if (!takesCredit(worker)) return Math.min(1, fitting);
  return Math.min(slots, sessionsMax, config.limits.sessionsMax, fitting, arrival.choices);
}
