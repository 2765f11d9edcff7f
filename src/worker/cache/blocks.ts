import { hash } from "node:crypto";

/** Tokens of a block. A prompt's last tokens that fill none have no hash. */
export const BLOCK_TOKENS = 64;
/** As many as a number in JSON holds exactly. */
const HASH_BITS = 52;
const HASH_DIGITS = HASH_BITS / 4;
const PREVIOUS_BYTES = 8;
const TOKEN_BYTES = 4;

/**
 * One hash for each whole block of tokens, which stands for all tokens from the first on:
 * the first 52 bits of SHA-256 over the hash before (64 bits, the lowest byte first) and the
 * block's token ids (32 bits each, the lowest byte first). Before the first block stand the
 * first 52 bits of the model's hash, so that models have nothing in common.
 */
export function blockHashes(modelHash: string, tokens: readonly number[]): number[] {
  const hashes: number[] = [];
  let previous = firstBits(modelHash.slice(modelHash.indexOf(":") + 1));
  const block = Buffer.alloc(PREVIOUS_BYTES + BLOCK_TOKENS * TOKEN_BYTES);
  for (let start = 0; start + BLOCK_TOKENS <= tokens.length; start += BLOCK_TOKENS) {
    block.writeBigUInt64LE(BigInt(previous), 0);
    for (let index = 0; index < BLOCK_TOKENS; index++) {
      block.writeInt32LE(tokens[start + index]!, PREVIOUS_BYTES + index * TOKEN_BYTES);
    }
    previous = firstBits(hash("sha256", block));
    hashes.push(previous);
  }
  return hashes;
}

function firstBits(hex: string): number {
  return Number.parseInt(hex.slice(0, HASH_DIGITS), 16);
}
