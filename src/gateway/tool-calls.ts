import { isObject } from "../exchange/client-request.ts";
import { CALL_END, CALL_START } from "../exchange/outbox.ts";
import type { ToolCallForm } from "../exchange/outbox.ts";

/** What generated text says: content, the beginning of a call, or more of the arguments of the call begun last. */
export type AnswerPart =
  | { kind: "content"; text: string }
  | { kind: "call"; name: string }
  | { kind: "arguments"; text: string };

/** Reads text as it is generated, whatever the pieces it comes in. */
export interface ToolCallReader {
  push(text: string): AnswerPart[];
  /** What is left when no more text comes. */
  end(): AnswerPart[];
}

/** Null where text is content as it is. */
export function createToolCallReader(form: ToolCallForm): ToolCallReader | null {
  switch (form) {
    case "none":
      return null;
    case "marked":
      return new MarkedCallReader();
    case "only":
      return new OnlyCallReader();
  }
}

/**
 * Calls between markers, with content around them. A call is told when it is complete, because
 * only then is it known to be one; what is between markers and is none is content.
 *
 * ```
 *            ┌── <tool_call> ──▶
 *   content                       call
 *            ◀── </tool_call> ──┘
 * ```
 */
class MarkedCallReader implements ToolCallReader {
  /** Text that is not told yet: what may be a marker's beginning, or the call so far. */
  #held = "";
  #isInCall = false;
  /** Whether nothing but white space has come since a call. */
  #isAfterCall = false;
  /** White space before the call being read, which is content if that is no call. */
  #gap = "";
  /** Up to here `held` is known to have no end of the call. */
  #searched = 0;

  push(text: string): AnswerPart[] {
    this.#held += text;
    const parts: AnswerPart[] = [];
    while (this.#isInCall ? this.#readCall(parts) : this.#readContent(parts));
    return parts;
  }

  end(): AnswerPart[] {
    const parts: AnswerPart[] = [];
    // A model may end, or be stopped, where the call does.
    if (this.#isInCall) this.#tellCall(this.#held, parts);
    else this.#tellContent(this.#isAfterCall ? this.#held.trimStart() : this.#held, parts);
    this.#held = "";
    return parts;
  }

  /** True when there may be more to read. */
  #readContent(parts: AnswerPart[]): boolean {
    // White space between calls is no content.
    if (this.#isAfterCall) this.#held = this.#held.trimStart();
    const start = this.#held.indexOf(CALL_START);
    if (start === -1) {
      const told = withoutMarkerStart(this.#held).trimEnd();
      this.#tellContent(told, parts);
      this.#held = this.#held.slice(told.length);
      return false;
    }
    const before = this.#held.slice(0, start);
    const content = before.trimEnd();
    this.#tellContent(content, parts);
    this.#gap = before.slice(content.length);
    this.#held = this.#held.slice(start + CALL_START.length);
    this.#isInCall = true;
    this.#searched = 0;
    return true;
  }

  #readCall(parts: AnswerPart[]): boolean {
    const end = this.#held.indexOf(CALL_END, this.#searched);
    if (end === -1) {
      this.#searched = Math.max(0, this.#held.length - CALL_END.length + 1);
      return false;
    }
    this.#tellCall(this.#held.slice(0, end), parts);
    this.#held = this.#held.slice(end + CALL_END.length);
    this.#isInCall = false;
    return true;
  }

  #tellCall(text: string, parts: AnswerPart[]): void {
    const call = parseCall(text);
    if (call === null) {
      this.#tellContent(this.#gap + text, parts);
      return;
    }
    this.#isAfterCall = true;
    parts.push({ kind: "call", name: call.name }, { kind: "arguments", text: call.arguments });
  }

  #tellContent(text: string, parts: AnswerPart[]): void {
    if (text === "") return;
    this.#isAfterCall = false;
    parts.push({ kind: "content", text });
  }
}

/** The text without what may be the beginning of a marker at its end. */
function withoutMarkerStart(text: string): string {
  for (let length = CALL_START.length - 1; length > 0; length -= 1) {
    if (text.endsWith(CALL_START.slice(0, length))) return text.slice(0, -length);
  }
  return text;
}

function parseCall(text: string): { name: string; arguments: string } | null {
  try {
    const call = JSON.parse(text) as { name?: unknown; arguments?: unknown } | null;
    const { name, arguments: given = {} } = call ?? {};
    if (typeof name !== "string" || !isObject(given)) return null;
    return { name, arguments: JSON.stringify(given) };
  } catch {
    // No JSON, or nested so deep that it can be read but not written.
    return null;
  }
}

const HEAD = /^\s*\{\s*"name"\s*:\s*"([\w-]*)"\s*,\s*"arguments"\s*:\s*(?=\S)/;
/** Longer than any head with a name that may be given to a tool. */
const HEAD_LENGTH_MAX = 1_024;

/**
 * Text that is one call, `{"name": "…", "arguments": …}`. Its arguments are told as they come.
 *
 * ```
 *   head ──"arguments":──▶ arguments ──their last character──▶ over
 *     └────── anything else ──▶ content, all of it
 * ```
 */
class OnlyCallReader implements ToolCallReader {
  #state: "head" | "arguments" | "over" | "content" = "head";
  #head = "";
  readonly #value = new JsonValueEnd();

  push(text: string): AnswerPart[] {
    switch (this.#state) {
      case "head":
        return this.#readHead(text);
      case "arguments":
        return this.#readArguments(text);
      case "over":
        return [];
      case "content":
        return text === "" ? [] : [{ kind: "content", text }];
    }
  }

  end(): AnswerPart[] {
    return this.#state === "head" && this.#head !== "" ? this.#giveUp() : [];
  }

  #readHead(text: string): AnswerPart[] {
    this.#head += text;
    const found = HEAD.exec(this.#head);
    if (found === null) return this.#head.length > HEAD_LENGTH_MAX ? this.#giveUp() : [];
    const [head, name = ""] = found;
    this.#state = "arguments";
    return [{ kind: "call", name }, ...this.#readArguments(this.#head.slice(head.length))];
  }

  #readArguments(text: string): AnswerPart[] {
    const length = this.#value.read(text);
    if (this.#value.isOver) this.#state = "over";
    return length === 0 ? [] : [{ kind: "arguments", text: text.slice(0, length) }];
  }

  #giveUp(): AnswerPart[] {
    this.#state = "content";
    return [{ kind: "content", text: this.#head }];
  }
}

/** Finds where a JSON value ends in text that goes on behind it. */
class JsonValueEnd {
  isOver = false;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;

  /** How many of these characters belong to the value. */
  read(text: string): number {
    for (let at = 0; at < text.length; at += 1) {
      if (this.isOver) return at;
      // A number or a word ends before what comes behind it; everything else with its own last character.
      if (this.#step(text[at]!)) this.isOver = true;
      else if (this.isOver) return at;
    }
    return text.length;
  }

  /** True when the value ends with this character. */
  #step(character: string): boolean {
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (character === "\\") this.#isEscaped = true;
      else if (character === '"') {
        this.#isInString = false;
        return this.#depth === 0;
      }
      return false;
    }
    switch (character) {
      case '"':
        this.#isInString = true;
        return false;
      case "{":
      case "[":
        this.#depth += 1;
        return false;
      case "}":
      case "]":
        this.#depth -= 1;
        if (this.#depth < 0) this.isOver = true;
        return this.#depth === 0;
      default:
        return false;
    }
  }
}
