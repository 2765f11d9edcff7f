/**
 * What is asked of whom. A client asks Headgate in OpenAI's words, whatever stands behind it. The
 * bare proxy only carries bytes, so through it, and without any proxy, an endpoint is asked in its
 * own words. Either way the body has the same length.
 */
const BODY_BYTES = 1_024;
const WORDS = "It is a truth universally acknowledged that a body has to be filled with something. ";

/** What stands behind Headgate: a worker, or a remote server that speaks OpenAI's dialect. */
export type EndpointKind = "worker" | "remote";

export const ENDPOINT_KINDS: readonly EndpointKind[] = ["worker", "remote"];

/** The model that endpoints of that kind serve. */
export const MODELS: Record<EndpointKind, string> = { worker: "bench-worker", remote: "bench-remote" };

export const PATHS = { generate: "/worker/generate", chat: "/v1/chat/completions" };

export interface Ask {
  endpoint: EndpointKind;
  streamed: boolean;
  tokens: number;
}

/** A request, and how the end of its answer can be told from one that was cut off. */
export interface Call {
  path: string;
  headers: Record<string, string>;
  body: string;
  /** Stands in the last bytes of a whole answer. */
  ending: string;
}

/** For Headgate; and for a remote endpoint without it. */
export function chatCall({ endpoint, streamed, tokens }: Ask, key: string | null): Call {
  const body = filled((content) => ({
    model: MODELS[endpoint],
    messages: [{ role: "user", content }],
    max_tokens: tokens,
    stream: streamed,
  }));
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (key !== null) headers["authorization"] = `Bearer ${key}`;
  return { path: PATHS.chat, headers, body, ending: streamed ? "data: [DONE]\n\n" : "}" };
}

/** For the endpoint itself, and for a proxy that only carries bytes. */
export function endpointCall(ask: Ask): Call {
  if (ask.endpoint === "remote") return chatCall(ask, null);
  const body = filled((content) => ({
    id: "bench",
    supervisor: "bench",
    model: MODELS.worker,
    prompt: { messages: [{ role: "user", content }] },
    max_tokens: ask.tokens,
    credit: ask.tokens,
  }));
  const headers = { "content-type": "application/json" };
  return { path: PATHS.generate, headers, body, ending: `"completion_tokens":${ask.tokens}}}\n\n` };
}

/** The document with as much content as makes it `BODY_BYTES` long. */
function filled(document: (content: string) => object): string {
  const room = BODY_BYTES - JSON.stringify(document("")).length;
  return JSON.stringify(document(WORDS.repeat(BODY_BYTES).slice(0, room)));
}
