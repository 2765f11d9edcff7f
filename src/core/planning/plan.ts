import type { CoreConfig } from "../config.ts";
import type { HeadgateError } from "../errors.ts";
import type { RequestArrived } from "../events.ts";
import type { Endpoint } from "../fleet/endpoint.ts";
import { sessionKvBytes } from "../fleet/kv.ts";
import { isRemote } from "../fleet/worker.ts";

/** How a request will be carried out. */
export interface Plan {
  /** Ceiling on generated tokens of each choice. */
  maxTokens: number;
  /** One entry a packet: the choices it answers. */
  packets: { choice: number; choices: number }[];
}

/** The model behind the name a client used. */
export function resolveModel(name: string, aliases: CoreConfig["aliases"]): string {
  return Object.hasOwn(aliases, name) ? aliases[name]! : name;
}

/**
 * Cuts a request into packets: one for each choice, so that choices run side by side and fail
 * alone. A remote endpoint bills the prompt once for all choices, so there they stay together.
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
  const fits = endpoints.some((endpoint) => {
    const bytes = sessionKvBytes({
      promptTokens: arrival.promptTokensMax,
      maxTokens,
      contextTokens: endpoint.contextTokens,
      bytesPerToken: endpoint.kvBytesPerToken,
    });
    const { sessionKvBytesMax, kvBytesMax } = endpoint.worker.limits;
    return bytes <= Math.min(sessionKvBytesMax, kvBytesMax, config.limits.kvBytesMax);
  });
  if (!fits) {
    return {
      code: "context_length_exceeded",
      param: "max_tokens",
      message: "Prompt and answer could need more KV cache than a session may hold on any worker.",
    };
  }
  const areRemote = endpoints.every(({ worker }) => isRemote(worker));
  const packets = areRemote
    ? [{ choice: 0, choices: arrival.choices }]
    : Array.from({ length: arrival.choices }, (_, choice) => ({ choice, choices: 1 }));
  return { maxTokens, packets };
}
