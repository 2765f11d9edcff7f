import type { HeadgateError } from "../core/errors.ts";
import type { Answer } from "../exchange/answer.ts";
import { readChatRequest } from "../exchange/chat-request.ts";
import type { ClientRequest } from "../exchange/client-request.ts";
import { readCompletionRequest } from "../exchange/completion-request.ts";
import type { Metrics } from "../observability/metrics.ts";
import { BufferedAnswer } from "./buffered-answer.ts";
import type { PaidCall } from "./call.ts";
import { chatSurface } from "./chat-surface.ts";
import type { ClientStreamOptions } from "./client-stream.ts";
import { completionSurface } from "./completion-surface.ts";
import type { Intake } from "./intake.ts";
import { respondWithError } from "./respond.ts";
import { StreamedAnswer } from "./streamed-answer.ts";

/** `POST /v1/chat/completions` and `POST /v1/completions`: what is read and answered as OpenAI does. */
export class Completions {
  readonly #intake: Intake;
  readonly #metrics: Metrics;

  constructor({ intake, metrics }: { intake: Intake; metrics: Metrics }) {
    this.#intake = intake;
    this.#metrics = metrics;
  }

  chat(call: PaidCall, body: Buffer): void {
    this.#take(call, body, readChatRequest(body));
  }

  completion(call: PaidCall, body: Buffer): void {
    this.#take(call, body, readCompletionRequest(body));
  }

  #take(call: PaidCall, body: Buffer, asked: ClientRequest | HeadgateError): void {
    const error =
      "code" in asked
        ? asked
        : this.#intake.take({
            call,
            asked,
            body,
            createAnswer: (client) => answerOf(asked, client),
          });
    if (error === null) return;
    this.#metrics.refused(error.code);
    respondWithError(call.response, call.id, error);
  }
}

function answerOf(
  { surface: name, stream, includeUsage }: ClientRequest,
  client: ClientStreamOptions,
): Answer {
  const surface = name === "chat" ? chatSurface : completionSurface;
  const options = { ...client, surface, includeUsage, createdSeconds: Math.floor(Date.now() / 1000) };
  return stream ? new StreamedAnswer(options) : new BufferedAnswer(options);
}
