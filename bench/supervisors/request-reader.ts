const HEAD_END = Buffer.from("\r\n\r\n");
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const HEAD_BYTES_MAX = 16 * 1024;

/**
 * Finds the ends of requests on one connection by their `content-length`. Bodies are counted and thrown away.
 *
 * ```
 *   head ──empty line──▶ body ──all bytes──▶ head
 * ```
 */
export class RequestReader {
  readonly #start: string;
  /** A head that has not come in whole. */
  #head: Buffer | null = null;
  /** Bytes of the body that are missing. */
  #missing = 0;

  /** `start` is what every request has to begin with. */
  constructor(start: string) {
    this.#start = start;
  }

  /** `broken` is what is no such request; also one that begins before the last one was answered, which is `whole` once. */
  read(bytes: Buffer): "whole" | "part" | "broken" {
    if (this.#missing > 0) return this.#take(bytes.length);
    const all = this.#head === null ? bytes : Buffer.concat([this.#head, bytes]);
    const end = all.indexOf(HEAD_END);
    if (end === -1) {
      this.#head = all;
      return all.length > HEAD_BYTES_MAX ? "broken" : "part";
    }
    this.#head = null;
    const head = all.toString("latin1", 0, end);
    const length = CONTENT_LENGTH.exec(head)?.[1];
    if (!head.startsWith(this.#start) || length === undefined) return "broken";
    this.#missing = Number(length);
    return this.#take(all.length - end - HEAD_END.length);
  }

  #take(count: number): "whole" | "part" | "broken" {
    this.#missing -= count;
    if (this.#missing > 0) return "part";
    return this.#missing === 0 ? "whole" : "broken";
  }
}
