import { randomBytes } from "node:crypto";
import { isObject } from "./client-request.ts";
import type { ClientRequest, Document } from "./client-request.ts";
import { HalfSipHash } from "./half-sip-hash.ts";
import type { HashKey } from "./half-sip-hash.ts";

/** What a token of text is taken to have, in bytes. */
export const TOKEN_BYTES = 4;
/** What lies behind the first so many bytes of a prompt is in no block. */
export const PROMPT_BYTES_MAX = 512 * 1024;
export const BLOCKS_MAX = 2_048;

/** What no text of a prompt holds: it keeps the end of one apart from the beginning of the next. */
const MESSAGE = "\u001E";
const PART = "\u001F";

/** Of this process alone, so that nobody can look for prompts that are taken for each other. */
const KEY: HashKey = [randomBytes(4).readInt32LE(), randomBytes(4).readInt32LE()];

/** Prompts are written here to be cut, one after the other. */
const scratch = Buffer.alloc(PROMPT_BYTES_MAX);
const words = new Int32Array(scratch.buffer, scratch.byteOffset, PROMPT_BYTES_MAX / TOKEN_BYTES);

/**
 * The prompt in blocks of so many tokens: each number is a hash of the block and all before it, so prompts that begin
 * alike have the same first numbers. It goes by text, tools first, as chat templates put them; a last block that is not
 * full is left out. Who sent it plays no part, because an engine's KV cache does not ask either.
 *
 * Costs about 2 µs for each KiB of prompt; at most `BLOCKS_MAX` blocks of the first `PROMPT_BYTES_MAX` bytes are looked at.
 */
export function promptBlocks({ surface, document }: ClientRequest, blockTokens: number, key = KEY): number[] {
  const text = new PromptText();
  if (surface === "chat") writeChat(document, text);
  else writeCompletion(document["prompt"], text);
  const hash = new HalfSipHash(key);
  const blocks: number[] = [];
  const end = Math.min(Math.floor(text.bytes / TOKEN_BYTES), BLOCKS_MAX * blockTokens);
  for (let at = blockTokens; at <= end; at += blockTokens) {
    hash.update(words, at - blockTokens, at);
    blocks.push(hash.value());
  }
  return blocks;
}

/** What was written to the scratch so far. What does not fit any more is left out. */
class PromptText {
  bytes = 0;

  add(text: string): void {
    this.bytes += scratch.write(text, this.bytes);
  }

  /** A token's id is as long as its text is taken to be, so it fills one word. */
  addTokens(ids: readonly number[]): void {
    for (const id of ids.slice(0, words.length)) this.bytes = scratch.writeUInt32LE(id % 2 ** 32, this.bytes);
  }
}

function writeChat({ messages, tools }: Document, text: PromptText): void {
  if (Array.isArray(tools) && tools.length > 0) text.add(JSON.stringify(tools));
  for (const message of messages as unknown[]) {
    if (text.bytes === PROMPT_BYTES_MAX) return;
    if (!isObject(message)) continue;
    const { role, content, tool_calls: calls } = message;
    text.add(`${MESSAGE}${String(role)}${PART}`);
    writeContent(content ?? null, text);
    if (Array.isArray(calls) && calls.length > 0) text.add(PART + JSON.stringify(calls));
  }
}

/** A text, or parts of which some are texts and others, such as images, are known by what describes them. */
function writeContent(content: unknown, text: PromptText): void {
  if (typeof content === "string") return text.add(content);
  if (!Array.isArray(content)) return;
  for (const part of content as unknown[]) {
    const isText = isObject(part) && typeof part["text"] === "string";
    text.add(isText ? (part["text"] as string) : PART + JSON.stringify(part));
  }
}

/** In one of the forms that `readCompletionRequest` lets pass. */
function writeCompletion(prompt: unknown, text: PromptText): void {
  if (typeof prompt === "string") return text.add(prompt);
  const [first] = prompt as unknown[];
  if (typeof first === "number") text.addTokens(prompt as number[]);
  else writeCompletion(first, text);
}
