/** What a state says of itself, in headers of the answer that brings it. */
export const FINGERPRINT_HEADER = "x-headgate-state-fingerprint";
/** Tokens whose keys and values are in it. */
export const TOKENS_HEADER = "x-headgate-state-tokens";
