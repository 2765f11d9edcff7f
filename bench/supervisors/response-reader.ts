const HEAD_END = Buffer.from("\r\n\r\n");
const OK = "HTTP/1.1 200 ";
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const CHUNKED = /\r\ntransfer-encoding: *chunked/i;
const HEAD_BYTES_MAX = 16 * 1024;
const CHUNK_BYTES_MAX = 2 ** 24;
const CRLF = "\r\n".length;
const LINE_FEED = 0x0a;

/**
 * Finds the end of each response on one connection, and throws away what is in it.
 *
 * ```
 *   head ──content-length──▶ body ──all bytes──▶ whole
 *     └──────chunked───────▶ size ──▶ chunk ──▶ size … ──0──▶ end ──▶ whole
 * ```
 * Its status has to be 200, and its body has to end as a whole answer does: an error can come in the midst of a stream.
 */
export class ResponseReader {
  readonly #ending: Buffer;
  #state: "head" | "body" | "size" | "chunk" | "end" = "head";
  /** A head that has not come in whole. */
  #head: Buffer | null = null;
  /** Bytes that are missing: of the body, or of a chunk and the line's end behind it. */
  #missing = 0;
  #size = 0;
  /** The last bytes of the body, as many as there are in the ending. */
  readonly #tail: Buffer;

  /** `ending` is what every body has to end with, in ASCII. */
  constructor(ending: string) {
    this.#ending = Buffer.from(ending, "latin1");
    this.#tail = Buffer.alloc(this.#ending.length);
  }

  /** Whether the response is whole with these bytes, of which nothing is kept. Throws when it is not the one that was wanted. */
  read(bytes: Buffer): boolean {
    let at = this.#state === "head" ? this.#readHead(bytes) : 0;
    while (at < bytes.length) {
      if (this.#state === "size") at = this.#readSize(bytes, at);
      else at = this.#skip(bytes, at);
      if (this.#state === "head") {
        if (at < bytes.length) throw new Error("more came than one response");
        return true;
      }
    }
    return false;
  }

  /** Returns where in the bytes the body begins. */
  #readHead(bytes: Buffer): number {
    const before = this.#head?.length ?? 0;
    const all = this.#head === null ? bytes : Buffer.concat([this.#head, bytes]);
    const end = all.indexOf(HEAD_END);
    if (end === -1) {
      if (all.length > HEAD_BYTES_MAX) throw new Error("the head of the response is too long");
      // The bytes are read into again.
      this.#head = Buffer.from(all);
      return bytes.length;
    }
    this.#head = null;
    this.#tail.fill(0);
    const head = all.toString("latin1", 0, end);
    if (!head.startsWith(OK)) throw new Error(all.toString("latin1", 0, HEAD_BYTES_MAX));
    const length = CONTENT_LENGTH.exec(head)?.[1];
    if (length !== undefined && Number(length) > 0) {
      this.#state = "body";
      this.#missing = Number(length);
    } else if (CHUNKED.test(head)) {
      this.#state = "size";
      this.#size = 0;
    } else throw new Error(`there is no body: ${head}`);
    return end + HEAD_END.length - before;
  }

  #readSize(bytes: Buffer, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === LINE_FEED) {
        this.#state = this.#size === 0 ? "end" : "chunk";
        this.#missing = this.#size + CRLF;
        return at + 1;
      }
      const digit = hexDigit(byte);
      // What is no digit is the line's end; nothing else stands there in an answer of Headgate's.
      if (digit !== null) this.#size = this.#size * 16 + digit;
      if (this.#size > CHUNK_BYTES_MAX) throw new Error("a chunk is too long");
    }
    return bytes.length;
  }

  #skip(bytes: Buffer, from: number): number {
    const to = Math.min(from + this.#missing, bytes.length);
    this.#missing -= to - from;
    if (this.#state !== "end") {
      const behind = this.#state === "chunk" ? Math.max(CRLF - this.#missing, 0) : 0;
      this.#keepTail(bytes, from, to - behind);
    }
    if (this.#missing > 0) return to;
    if (this.#state === "chunk") {
      this.#state = "size";
      this.#size = 0;
      return to;
    }
    this.#state = "head";
    if (!this.#tail.equals(this.#ending)) throw new Error(`it ended with ${this.#tail.toString("latin1")}`);
    return to;
  }

  #keepTail(bytes: Buffer, from: number, to: number): void {
    const tail = this.#tail;
    const count = Math.min(to - from, tail.length);
    if (count <= 0) return;
    if (count < tail.length) tail.copyWithin(0, count);
    bytes.copy(tail, tail.length - count, to - count, to);
  }
}

function hexDigit(byte: number): number | null {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : null;
}
