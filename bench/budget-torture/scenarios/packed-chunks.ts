import { audit } from "../audit.ts";
import type { Scenario } from "../scenario.ts";
import type { Stage, Wish } from "../stage.ts";
import { inLine, KEY, roomFor } from "./load.ts";

const TOKENS = 60;
const CHUNK = 6;

/** Servers under load send several tokens in a chunk, so whoever counts chunks counts too little. */
export const packedChunks: Scenario = {
  name: "packed-chunks",
  what: "Streams with six tokens in each chunk that never say what they used, or whose client leaves before.",
  async run(stage) {
    const requests = stage.isQuick ? 16 : 60;
    const capNano = roomFor(stage, requests / 2, { maxTokens: TOKENS });
    const team = await stage.open({ capNano: null, keys: [{ name: KEY, capNano }] });
    if ("reason" in team) return team;
    await inLine(stage, team, { requests, atATime: 6 }, () => packed(stage));
    return audit(stage, team);
  },
};

function packed({ random }: Stage): Wish {
  const wish = { maxTokens: TOKENS, streamed: true, chunk: CHUNK };
  if (random.chance(0.5)) return { ...wish, usage: 0 };
  const seen = random.between(1, TOKENS / CHUNK - 1) * CHUNK;
  return { ...wish, paceMs: 2, pauseAt: seen, leaveAt: seen };
}
