import type { TokenCandidate, TokenLogprob } from "../exchange/outbox.ts";

/** As chat completions write them; null when there are none. */
export function chatLogprobs(logprobs: TokenLogprob[] | null): object | null {
  if (logprobs === null) return null;
  const content = logprobs.map((one) => ({ ...candidate(one), top_logprobs: one.top.map(candidate) }));
  return { content, refusal: null };
}

function candidate({ token, bytes, logprob }: TokenCandidate): object {
  return { token, bytes, logprob };
}

/**
 * As completions write them; null when there are none. Offsets count the characters of the tokens
 * from the beginning of the answer, of which `offset` have gone out before.
 */
export function completionLogprobs(logprobs: TokenLogprob[] | null, offset: number): object | null {
  if (logprobs === null) return null;
  let at = offset;
  return {
    tokens: logprobs.map(({ token }) => token),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top }) =>
      Object.fromEntries(top.map(({ token, logprob }) => [token, logprob])),
    ),
    text_offset: logprobs.map(({ token }) => {
      const start = at;
      at += token.length;
      return start;
    }),
  };
}
