import { TOKEN } from "./upstream/answer.ts";

/** After which a call counts as unanswered; above everything that a script can make of an answer. */
const PATIENCE_MS = 90_000;

/** Statuses that say that the bench has asked wrongly, and nothing about budgets. */
const MISTAKEN = new Set([401, 404, 405]);

export interface Question {
  /** Base address of a gateway, with `/v1`. */
  url: string;
  headers: Record<string, string>;
  body: Record<string, unknown>;
  /** Hangs up once it has seen so many tokens of a stream. */
  leaveAt?: number;
  /** Hangs up when it fires. */
  leave?: AbortSignal;
}

/**
 * - `answered`: to the end;
 * - `refused`: with a status from 400 to 499, but for those of a wrong key or address;
 * - `failed`: with another status, an error event, or a connection that broke;
 * - `left`: by us;
 * - `unanswered`: neither an answer nor an error came, for as long as anybody waits.
 */
export interface Outcome {
  kind: "answered" | "refused" | "failed" | "left" | "unanswered";
  /** Null where no answer began. */
  status: number | null;
  /** Tokens that were seen. */
  tokens: number;
  /** What was said of a failure or refusal. */
  message: string;
}

/** One chat completion, streamed or not. Never throws. */
export async function ask({ url, headers, body, leaveAt, leave }: Question): Promise<Outcome> {
  const leaving = new AbortController();
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const signals = [patience, leaving.signal, ...(leave === undefined ? [] : [leave])];
  let status: number | null = null;
  let seen = "";
  try {
    const response = await fetch(`${url}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
      signal: AbortSignal.any(signals),
    });
    ({ status } = response);
    const decoder = new TextDecoder();
    for await (const bytes of response.body ?? []) {
      seen += decoder.decode(bytes, { stream: true });
      if (leaveAt !== undefined && tokensIn(seen) >= leaveAt) leaving.abort();
    }
    return outcomeOf(status, seen, body["stream"] === true);
  } catch (error) {
    const hasLeft = leaving.signal.aborted || leave?.aborted === true;
    const kind = hasLeft ? "left" : patience.aborted ? "unanswered" : "failed";
    return { kind, status, tokens: tokensIn(seen), message: String(error) };
  }
}

function outcomeOf(status: number, text: string, streamed: boolean): Outcome {
  const tokens = tokensIn(text);
  if (status >= 400 && status < 500 && !MISTAKEN.has(status))
    return { kind: "refused", status, tokens, message: text };
  const isWhole = streamed ? /^data: ?\[DONE\]/m.test(text) : text.includes('"choices"');
  const hasFailed = status !== 200 || !isWhole || /^data: ?\{"error"/m.test(text);
  return { kind: hasFailed ? "failed" : "answered", status, tokens, message: hasFailed ? text : "" };
}

/** The upstream says nothing but this one word. */
function tokensIn(text: string): number {
  return text.split(TOKEN).length - 1;
}
