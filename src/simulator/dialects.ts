import type { Wish } from "./connection.ts";
import type { EngineMessage, TokenRange } from "./engine/generation.ts";

type Send = (message: EngineMessage) => void;

/** A remote endpoint does not say when it has read the prompt; it answers in tokens, or in one document. */
export function remoteDialect(wish: Wish, send: Send): Send {
  const bill: Send = (message) => send(message.kind === "finished" ? billed(message) : message);
  return wish.streamed ? remoteStream(wish, bill) : remoteDocument(bill);
}

/** Only remote endpoints tell at the end what was thought, and that it was cheaper; here it goes by what there is to count. */
function billed(message: EngineMessage & { kind: "finished" }): EngineMessage {
  const { promptTokens, completionTokens } = message.usage;
  const reasoningTokens = completionTokens % 7;
  return { ...message, usage: { ...message.usage, reasoningTokens, isBatch: promptTokens % 3 === 0 } };
}

/** The first token shows that the prompt was read; how long it was comes with the last one. */
function remoteStream({ promptTokensMax }: Wish, send: Send): Send {
  let hasBegun = false;
  return (message) => {
    if (message.kind === "started") return;
    if (message.kind === "output" && !hasBegun) {
      hasBegun = true;
      send({ kind: "started", promptTokens: promptTokensMax, cachedTokens: 0 });
    }
    send(message);
  };
}

function remoteDocument(send: Send): Send {
  let tokens: TokenRange | null = null;
  return (message) => {
    if (message.kind === "output") {
      tokens ??= { first: message.tokens.first, count: 0 };
      tokens.count += message.tokens.count;
    }
    if (message.kind !== "finished") return;
    const { promptTokens, cachedTokens } = message.usage;
    send({ kind: "started", promptTokens, cachedTokens });
    if (tokens !== null) send({ kind: "output", choice: 0, tokens, isEdge: true });
    send(message);
  };
}
