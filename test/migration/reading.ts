import assert from "node:assert/strict";
import type OpenAI from "openai";

/** What a client of the official library was given of one stream. */
export interface Reading {
  request: string;
  text: string;
  /** Each token's text, where log probabilities were asked for. */
  tokens: string[];
  finishReason: string | null;
  completionTokens: number | null;
}

/** What is asked for, with what Headgate understands besides. */
export type Asked = Pick<
  OpenAI.ChatCompletionCreateParamsStreaming,
  "messages" | "max_tokens" | "logprobs" | "response_format"
> & {
  ignore_eos?: boolean;
};

/** A story of as many tokens as that, whatever the model thinks of it. */
export function story(name: string, maxTokens: number): Asked {
  const content = `Tell me a long story about a fox named ${name}.`;
  return { messages: [{ role: "user", content }], max_tokens: maxTokens, ignore_eos: true };
}

/** Asks for a streamed greedy answer, and reads it to its end. Rejects where the stream breaks or ends without an answer. */
export async function read(client: OpenAI, asked: Asked): Promise<Reading> {
  const { data: stream, response } = await client.chat.completions
    .create({
      model: "default",
      temperature: 0,
      stream_options: { include_usage: true },
      ...asked,
      stream: true,
    })
    .withResponse();
  const reading: Reading = {
    request: response.headers.get("x-request-id")!,
    text: "",
    tokens: [],
    finishReason: null,
    completionTokens: null,
  };
  for await (const { choices, usage } of stream) {
    const [choice] = choices;
    reading.text += choice?.delta.content ?? "";
    for (const { token } of choice?.logprobs?.content ?? []) reading.tokens.push(token);
    reading.finishReason = choice?.finish_reason ?? reading.finishReason;
    reading.completionTokens = usage?.completion_tokens ?? reading.completionTokens;
  }
  assert.notEqual(reading.finishReason, null, "a stream that ends has said why");
  return reading;
}
