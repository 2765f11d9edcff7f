import { audit } from "../audit.ts";
import type { Scenario } from "../scenario.ts";
import { anyForm, inLine, KEY, roomFor } from "./load.ts";

const TOKENS = 30;

/**
 * The excess could not be known before, so it may pass the cap. It has to be on the books, and whoever comes after it
 * has to feel it.
 */
export const overbilling: Scenario = {
  name: "overbilling",
  what: "An upstream whose bill is two thirds above the max_tokens that it was given.",
  async run(stage) {
    const requests = stage.isQuick ? 24 : 80;
    const capNano = roomFor(stage, requests / 3, { maxTokens: TOKENS });
    const team = await stage.open({ capNano: null, keys: [{ name: KEY, capNano }] });
    if ("reason" in team) return team;
    await inLine(stage, team, { requests, atATime: 4 }, () => {
      return { ...anyForm(stage), maxTokens: TOKENS, overbill: (TOKENS * 2) / 3 };
    });
    return audit(stage, team);
  },
};
