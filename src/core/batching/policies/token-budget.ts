import { type BatchingDefinition, take } from "../contracts.ts";

export const tokenBudget: BatchingDefinition = {
  kind: "batching",
  name: "token-budget",
  summary:
    "As many as a budget of tokens allows, at once. Engines that pad all to the longest pay for its length each time. A request that is too large for the budget goes alone.",
  formula: "padded: max length · (n + 1) ≤ tokens; ragged: Σ lengths ≤ tokens",
  source: "Hugging Face text-embeddings-inference",
  needs: [],
  parameters: {
    tokens: { summary: "The budget of a batch.", unit: "tokens", default: 16_384, min: 1 },
    requests: { summary: "In a batch at most.", unit: "", default: 1_024, min: 1 },
    layout: {
      summary: "How the engine lays out requests of different length.",
      unit: "",
      default: "padded",
      choices: ["padded", "ragged"],
    },
  },
  create: (parameters) => {
    const budget = Number(parameters["tokens"]);
    const requestsMax = Number(parameters["requests"]);
    const isPadded = parameters["layout"] === "padded";
    return {
      next: (waiting) => {
        let longest = 0;
        let total = 0;
        let count = 0;
        for (const { tokens } of waiting) {
          longest = Math.max(longest, tokens);
          total += tokens;
          const cost = isPadded ? longest * (count + 1) : total;
          if (count >= requestsMax || cost > budget) break;
          count++;
        }
        return take(Math.max(1, count));
      },
    };
  },
};
