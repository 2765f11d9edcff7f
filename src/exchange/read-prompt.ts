import type { HeadgateError } from "../core/errors.ts";
import { readChatPrompt } from "./chat-prompt.ts";
import type { ClientRequest } from "./client-request.ts";
import { readCompletionPrompt } from "./completion-request.ts";
import type { Prompt } from "./prompt.ts";

/** What a worker is sent for this request, or why no worker can serve it. */
export function readPrompt({ surface, document }: ClientRequest): Prompt | HeadgateError {
  return surface === "chat" ? readChatPrompt(document) : readCompletionPrompt(document);
}
