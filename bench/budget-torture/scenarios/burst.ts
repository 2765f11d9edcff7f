import { audit } from "../audit.ts";
import type { Scenario } from "../scenario.ts";
import { anyForm, atOnce, KEY, roomFor } from "./load.ts";

/** Checking a sum and adding to it later lets all through that come in between. */
export const burst: Scenario = {
  name: "burst",
  what: "Many requests at once on a cap with room for a sixth of them.",
  async run(stage) {
    const requests = stage.isQuick ? 60 : 240;
    const capNano = roomFor(stage, requests / 6, { maxTokens: 40 });
    const team = await stage.open({ capNano: null, keys: [{ name: KEY, capNano }] });
    if ("reason" in team) return team;
    await atOnce(stage, team, requests, () => ({ ...anyForm(stage), maxTokens: 40, firstMs: 50 }));
    return audit(stage, team);
  },
};
