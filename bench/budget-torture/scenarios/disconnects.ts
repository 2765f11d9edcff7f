import { audit } from "../audit.ts";
import type { Scenario } from "../scenario.ts";
import type { Stage, Wish } from "../stage.ts";
import { inLine, KEY, roomFor } from "./load.ts";

const TOKENS = 60;

/**
 * Whoever hangs up has still used what was made for him. The upstream pauses where the client leaves, so what was made
 * by then has arrived, and no token is under way that a gateway could not have seen.
 */
export const disconnects: Scenario = {
  name: "disconnects",
  what: "Clients that leave: in mid-stream, before the first token, and while an answer in one piece is made.",
  async run(stage) {
    const requests = stage.isQuick ? 16 : 60;
    const capNano = roomFor(stage, requests * 0.6, { maxTokens: TOKENS });
    const team = await stage.open({ capNano: null, keys: [{ name: KEY, capNano }] });
    if ("reason" in team) return team;
    await inLine(stage, team, { requests, atATime: 6 }, () => leaving(stage));
    return audit(stage, team);
  },
};

function leaving({ random }: Stage): Wish {
  const kind = random.pick(["in stream", "in stream", "before the first token", "in one piece"]);
  if (kind === "before the first token") {
    return { maxTokens: TOKENS, streamed: true, pauseAt: 0, leaveOnArrival: true };
  }
  if (kind === "in one piece") return { maxTokens: TOKENS, paceMs: 20, leaveOnArrival: true };
  const seen = random.between(1, TOKENS - 1);
  return { maxTokens: TOKENS, streamed: true, paceMs: 1, pauseAt: seen, leaveAt: seen };
}
