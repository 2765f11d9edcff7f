import type { HeadgateError } from "../core/errors.ts";
import { readChatRequest } from "../exchange/chat-request.ts";
import { invalid, isCount, parseBody } from "../exchange/client-request.ts";
import type { ClientRequest } from "../exchange/client-request.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { PaidCall } from "./call.ts";
import { respondWithCoordinatorError } from "./coordinator-error.ts";
import { InferAnswer } from "./infer-answer.ts";
import type { Intake } from "./intake.ts";

/** `POST /coordinator/infer`: a prompt, answered token by token. */
export class Infer {
  readonly #intake: Intake;
  readonly #metrics: Metrics;

  constructor({ intake, metrics }: { intake: Intake; metrics: Metrics }) {
    this.#intake = intake;
    this.#metrics = metrics;
  }

  handle(call: PaidCall, body: Buffer): void {
    const chat = readInferRequest(body);
    const error =
      "code" in chat
        ? chat
        : this.#intake.take({ call, ...chat, createAnswer: (client) => new InferAnswer(client) });
    if (error === null) return;
    this.#metrics.refused(error.code);
    respondWithCoordinatorError(call.response, call.id, error);
  }
}

/** What is asked for in the words of a chat completion, as a remote API would be asked: the way from here is the same. */
function readInferRequest(body: Buffer): { asked: ClientRequest; body: Buffer } | HeadgateError {
  const parsed = parseBody(body);
  if ("code" in parsed) return parsed;
  const { prompt, model, max_tokens } = parsed.document;
  if (typeof prompt !== "string" || prompt === "") {
    return invalid("prompt", "`prompt` must be a text, and not empty.");
  }
  if (!isCount(max_tokens)) return invalid("max_tokens", "`max_tokens` must be a positive integer.");
  const messages = [{ role: "user", content: prompt }];
  const chatBody = Buffer.from(JSON.stringify({ model, messages, max_tokens, stream: true }));
  const asked = readChatRequest(chatBody);
  return "code" in asked ? asked : { asked, body: chatBody };
}
