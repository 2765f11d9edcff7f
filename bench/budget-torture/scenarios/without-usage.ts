import { audit } from "../audit.ts";
import type { Scenario } from "../scenario.ts";
import { anyForm, inLine, KEY, roomFor } from "./load.ts";

const TOKENS = 40;

/** Then the gateway has to count, or to assume the most. */
export const withoutUsage: Scenario = {
  name: "without-usage",
  what: "Answers that never say what they used, streamed one token at a time and in one piece.",
  async run(stage) {
    const requests = stage.isQuick ? 24 : 80;
    const capNano = roomFor(stage, requests / 2, { maxTokens: TOKENS });
    const team = await stage.open({ capNano: null, keys: [{ name: KEY, capNano }] });
    if ("reason" in team) return team;
    await inLine(stage, team, { requests, atATime: 8 }, () => {
      return { ...anyForm(stage), maxTokens: TOKENS, tokens: stage.random.between(1, TOKENS), usage: 0 };
    });
    return audit(stage, team);
  },
};
