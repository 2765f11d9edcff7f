import type { LlamaModel } from "node-llama-cpp";
import { toTokens } from "./token.ts";

/** How SentencePiece names a token that is a single byte. */
const BYTE_NAME = /^<0x([0-9A-F]{2})>$/;

/**
 * Bytes that tokens stand for. A token may be a part of a character only; as text that would be
 * U+FFFD, so the bytes are read from the token's name in the file.
 */
export class TokenBytes {
  readonly #model: LlamaModel;
  /** For byte-level BPE, whose names have a printable character for each byte. */
  readonly #byteOf: ReadonlyMap<string, number> | null;

  constructor(model: LlamaModel) {
    this.#model = model;
    this.#byteOf = model.fileInfo.metadata.tokenizer.ggml.model === "gpt2" ? byteCharacters() : null;
  }

  /** Special tokens stand for the bytes of their names. */
  of(id: number): number[] {
    const name = this.#model.fileInfo.metadata.tokenizer.ggml.tokens[id] ?? "";
    if (!this.#model.isSpecialToken(toTokens([id])[0])) {
      if (this.#byteOf !== null) {
        const bytes = Array.from(name, (character) => this.#byteOf?.get(character));
        if (bytes.every((byte) => byte !== undefined)) return bytes;
      }
      const byte = BYTE_NAME.exec(name)?.[1];
      if (byte !== undefined) return [Number.parseInt(byte, 16)];
    }
    return [...Buffer.from(this.text(id))];
  }

  text(id: number): string {
    return this.#model.detokenize(toTokens([id]), true);
  }
}

/** GPT-2's names: printable bytes of Latin-1 stand for themselves, the rest for characters from U+0100 on. */
function byteCharacters(): Map<string, number> {
  const characters = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 0x100; byte++) {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    characters.set(String.fromCodePoint(printable ? byte : next++), byte);
  }
  return characters;
}
