import type { Wish } from "./connection.ts";
import type { EngineMessage } from "./engine.ts";

type Send = (message: EngineMessage) => void;

/** A remote endpoint does not say when it has read the prompt; it answers in tokens, or in one document. */
export function remoteDialect(wish: Wish, send: Send): Send {
  return wish.streamed ? remoteStream(wish, send) : remoteDocument(send);
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
  const tokens: number[] = [];
  return (message) => {
    if (message.kind === "output") tokens.push(...message.tokens);
    if (message.kind !== "finished") return;
    const { promptTokens, cachedTokens } = message.usage;
    send({ kind: "started", promptTokens, cachedTokens });
    send({ kind: "output", choice: 0, tokens });
    send(message);
  };
}
