import type { ChatMessage, Prompt } from "../exchange/prompt.ts";
import type { WorkerGeneration } from "./generation.ts";

/** A prompt as one text, for a worker that takes no messages; or why that would not do. */
export function flatPrompt({ dispatch, exchange, prompt }: WorkerGeneration): string | { refused: string } {
  const { model } = exchange.asked;
  const parameter = dispatch.choices > 1 ? "n" : beyondText(prompt);
  if (parameter !== null) {
    const who = `The workers that serve ${model} read a text and write one`;
    return { refused: `${who}: \`${parameter}\` is not supported there.` };
  }
  const { input } = prompt;
  if ("text" in input) return input.text;
  if ("tokens" in input) return { refused: `${model} reads text only, not token ids.` };
  return flattened(input.messages);
}

/** The first parameter that such a worker can't be told of, although the answer would have to obey it. */
function beyondText({ input, grammar, topLogprobs, logitBias, stop }: Prompt): string | null {
  if ("messages" in input && input.tools !== undefined) return "tools";
  if (grammar !== null) return "response_format";
  if (topLogprobs !== null) return "logprobs";
  if (logitBias !== null) return "logit_bias";
  return stop.length > 0 ? "stop" : null;
}

/** One question stands for itself; in a conversation each message says whose it is. */
function flattened(messages: readonly ChatMessage[]): string {
  const [first] = messages;
  if (messages.length === 1 && first?.role === "user") return first.content;
  return messages.map(({ role, content }) => `${role}: ${content}`).join("\n");
}
