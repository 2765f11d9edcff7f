import type { ServerResponse } from "node:http";
import type { HeadgateError } from "../core/errors.ts";
import type { SupervisorEvent } from "../core/events.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Answer } from "./answer.ts";
import { BufferedAnswer } from "./buffered-answer.ts";
import { readChatRequest } from "./chat-request.ts";
import type { ChatRequest } from "./chat-request.ts";
import { Exchange } from "./exchange.ts";
import type { Exchanges } from "./exchange.ts";
import type { ModelNames } from "./model-names.ts";
import { readPrompt } from "./prompt.ts";
import { respondWithError } from "./respond.ts";
import { StreamedAnswer } from "./streamed-answer.ts";
import { TickFlusher } from "./tick-flusher.ts";

export interface ChatCompletionsOptions {
  exchanges: Exchanges;
  names: ModelNames;
  metrics: Metrics;
  submit: (event: SupervisorEvent) => void;
}

/** `POST /v1/chat/completions`: from a body to an event, and to an answer that the clients port will fill. */
export class ChatCompletions {
  readonly #options: ChatCompletionsOptions;
  readonly #flusher = new TickFlusher();

  constructor(options: ChatCompletionsOptions) {
    this.#options = options;
  }

  handle(response: ServerResponse, request: string, body: Buffer): void {
    const { exchanges, names, submit } = this.#options;
    const chat = readChatRequest(body);
    if ("code" in chat) return this.#refuse(response, request, chat);
    const prompt = names.isRemote(chat.model) ? null : readPrompt(chat.document);
    if (prompt !== null && "code" in prompt) return this.#refuse(response, request, prompt);
    // The client may have left while its body was still being read: then there is no one to answer.
    if (response.destroyed) return;

    const answer = this.#answer(response, request, chat);
    exchanges.add(new Exchange({ request, chat, body, prompt, answer }));
    response.on("close", () => {
      if (exchanges.end(request) !== undefined) submit({ kind: "client_gone", request });
    });
    submit({
      kind: "request_arrived",
      request,
      // Keys come later; until then only this machine can connect.
      tenant: "local",
      model: chat.model,
      promptTokensMax: chat.promptTokensMax,
      bodyBytes: body.length,
      maxTokens: chat.maxTokens,
      choices: chat.choices,
      streamed: chat.stream,
    });
  }

  #answer(response: ServerResponse, request: string, chat: ChatRequest): Answer {
    const { exchanges, submit } = this.#options;
    const createdSeconds = Math.floor(Date.now() / 1000);
    if (!chat.stream) return new BufferedAnswer(response, { request, createdSeconds });
    return new StreamedAnswer({
      response,
      request,
      createdSeconds,
      includeUsage: chat.includeUsage,
      flusher: this.#flusher,
      onBlocked: () => {
        exchanges.get(request)?.block();
        submit({ kind: "client_blocked", request });
      },
      onDrained: () => {
        submit({ kind: "client_drained", request });
        exchanges.get(request)?.unblock();
      },
    });
  }

  #refuse(response: ServerResponse, request: string, error: HeadgateError): void {
    this.#options.metrics.refused(error.code);
    respondWithError(response, request, error);
  }
}
