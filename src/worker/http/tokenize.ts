import type { ServerResponse } from "node:http";
import { blockHashes } from "../cache/blocks.ts";
import { promptTokens } from "../prompt-tokens.ts";
import { parseBody, tokenizeSchema } from "../wire.ts";
import type { Worker } from "../worker.ts";
import { sendJson } from "./respond.ts";

/** `POST /worker/tokenize`: how many tokens a prompt has, and the chain hashes of its whole blocks. */
export function tokenize(worker: Worker, response: ServerResponse, body: unknown): void {
  const { model: name, prompt } = parseBody(tokenizeSchema, body);
  const model = worker.sessions.model(name);
  const tokens = promptTokens(model, prompt);
  sendJson(response, 200, {
    tokens: tokens.length,
    blocks: blockHashes(model.description.modelHash, tokens),
  });
}
