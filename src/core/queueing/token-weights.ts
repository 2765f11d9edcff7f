import type { ParameterDefinition, Parameters } from "../policy.ts";
import type { Item, Service } from "./contracts.ts";

/** What tokens of the prompt and of the answer count. */
export interface TokenWeights {
  input: number;
  output: number;
}

/** The parameters of policies that count service. Reading a token is cheaper than generating one. */
export const TOKEN_WEIGHTS: Readonly<Record<"input_weight" | "output_weight", ParameterDefinition>> = {
  input_weight: { summary: "What a token of the prompt counts.", unit: "", default: 1, min: 0 },
  output_weight: { summary: "What a token of the answer counts.", unit: "", default: 2, min: 0 },
};

export function tokenWeights(parameters: Parameters): TokenWeights {
  return { input: Number(parameters["input_weight"]), output: Number(parameters["output_weight"]) };
}

export function weigh({ input, output }: Service, weights: TokenWeights): number {
  return weights.input * input + weights.output * output;
}

/** What a packet is expected to come to. */
export function workOf({ inputTokens, outputTokens }: Item, weights: TokenWeights): number {
  return weigh({ input: inputTokens, output: outputTokens }, weights);
}
