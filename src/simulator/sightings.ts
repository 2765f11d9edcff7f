/** What can be seen in the world and the supervisor is not told, or not in such detail. Checkers compare the two. */
export type Sighting =
  /** Tokens of an attempt, each a number of its own, have reached the supervisor. */
  | { kind: "tokens_arrived"; attempt: string; tokens: readonly number[] }
  /** A client has been given tokens: those that were there of those that were asked for. */
  | TokensShown
  /** A client has been told that a choice is complete. */
  | { kind: "answer_ended"; request: string; attempt: string }
  /** All that was decided about the request has been carried out. */
  | { kind: "request_over"; request: string };

export interface TokensShown {
  kind: "tokens_shown";
  request: string;
  choice: number;
  attempt: string;
  asked: number;
  tokens: readonly number[];
}
