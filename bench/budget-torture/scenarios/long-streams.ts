import { audit } from "../audit.ts";
import type { Scenario } from "../scenario.ts";
import { atOnce, KEY, roomFor } from "./load.ts";

/** Each of them fits when it begins; together they don't, while they run. */
export const longStreams: Scenario = {
  name: "long-streams",
  what: "Long paced streams that reach the cap together, long after they began; twice.",
  async run(stage) {
    const tokens = stage.isQuick ? 200 : 800;
    const capNano = roomFor(stage, 3, { maxTokens: tokens });
    const team = await stage.open({ capNano: null, keys: [{ name: KEY, capNano }] });
    if ("reason" in team) return team;
    for (let wave = 0; wave < 2; wave++) {
      await atOnce(stage, team, 8, () => ({
        streamed: true,
        includeUsage: stage.random.chance(0.5),
        maxTokens: tokens,
        // Half of them end well before they had to, and leave room for others.
        tokens: stage.random.chance(0.5) ? tokens : Math.ceil(tokens / 8),
        paceMs: 1,
      }));
    }
    return audit(stage, team);
  },
};
