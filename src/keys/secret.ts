import { hash, randomBytes } from "node:crypto";

const SECRET_BYTES = 32;
/** Marks a key as ours wherever one is found. */
export const SECRET_PREFIX = "hg-";
/** Enough to recognise a key by, and no help to guess it. */
const START_CHARACTERS = 8;

/** `hg-` and 256 random bits. It is shown once and stored nowhere. */
export function createSecret(): string {
  return SECRET_PREFIX + randomBytes(SECRET_BYTES).toString("base64url");
}

/** What is stored instead. A secret this random needs no salt and no slow hash. */
export function hashSecret(secret: string): string {
  return hash("sha256", secret, "base64url");
}

/** The first characters, for people to tell keys apart. */
export function startOf(secret: string): string {
  return secret.slice(0, START_CHARACTERS);
}
