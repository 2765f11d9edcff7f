import { StringDecoder } from "node:string_decoder";

/** An event longer than this is taken for a fault of its sender. Counted in UTF-16 units, line by line. */
const EVENT_LENGTH_MAX = 4 * 1024 * 1024;

/**
 * Reads a `text/event-stream` as it arrives, whatever the chunks it was cut into: between two
 * bytes of a character, between CR and LF, in the middle of a field name. Only `data` is
 * handed on; no dialect we speak uses `event`, `id` or `retry`.
 *
 * After https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class EventStreamParser {
  readonly #onData: (data: string) => void;
  readonly #decoder = new StringDecoder("utf8");
  #atStart = true;
  #endedInCarriageReturn = false;
  /** The last line as far as it has come. */
  #partialLine = "";
  /** Data lines of the event being read; null when it has none yet. */
  #data: string | null = null;

  constructor(onData: (data: string) => void) {
    this.#onData = onData;
  }

  /** Calls back for each event that this chunk completes. False when an event outgrew the limit: give up on the stream. */
  push(chunk: Buffer): boolean {
    let text = this.#decoder.write(chunk);
    if (text === "") return true;
    if (this.#atStart) {
      this.#atStart = false;
      if (text.charCodeAt(0) === 0xfe_ff) text = text.slice(1);
    }
    if (this.#endedInCarriageReturn || text.includes("\r")) text = this.#withLineFeedsOnly(text);

    // What was left of the last chunk holds no line end, so the search starts behind it.
    let lineEnd = text.indexOf("\n");
    if (lineEnd === -1) {
      this.#partialLine += text;
      return this.#withinLimit();
    }
    if (this.#partialLine !== "") {
      lineEnd += this.#partialLine.length;
      text = this.#partialLine + text;
    }
    let lineStart = 0;
    while (lineEnd !== -1) {
      this.#readLine(text, lineStart, lineEnd);
      lineStart = lineEnd + 1;
      lineEnd = text.indexOf("\n", lineStart);
    }
    this.#partialLine = text.slice(lineStart);
    return this.#withinLimit();
  }

  /** Whether a stream may end here without losing what has come of an event. */
  get isBetweenEvents(): boolean {
    return this.#partialLine === "" && this.#data === null;
  }

  #withinLimit(): boolean {
    return this.#partialLine.length + (this.#data?.length ?? 0) <= EVENT_LENGTH_MAX;
  }

  /** CR, LF and CRLF all end a line, and a CRLF may be cut in two. */
  #withLineFeedsOnly(text: string): string {
    const rest = this.#endedInCarriageReturn && text.startsWith("\n") ? text.slice(1) : text;
    this.#endedInCarriageReturn = text.endsWith("\r");
    return rest.replaceAll(/\r\n?/g, "\n");
  }

  #readLine(text: string, start: number, end: number): void {
    if (start === end) {
      const data = this.#data;
      this.#data = null;
      if (data !== null) this.#onData(data);
      return;
    }
    if (!text.startsWith("data", start)) return;
    let value: string;
    if (start + 4 === end) {
      value = "";
    } else if (text[start + 4] === ":") {
      value = text.slice(text[start + 5] === " " ? start + 6 : start + 5, end);
    } else {
      return;
    }
    this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
  }
}

/** The same event on its way out. */
export function eventFrame(data: string): string {
  return data.includes("\n") ? `data: ${data.replaceAll("\n", "\ndata: ")}\n\n` : `data: ${data}\n\n`;
}
