import { audit } from "../audit.ts";
import type { Scenario } from "../scenario.ts";
import { anyForm, atOnce, roomFor } from "./load.ts";

const TOKENS = 30;
const KEYS = ["one", "two", "three", "four"];

/** Each key fits in its own cap, and all of them do not fit in that of their team. */
export const nestedCaps: Scenario = {
  name: "nested-caps",
  what: "Four keys with caps of their own, in a team whose cap is less than theirs together; all at once.",
  async run(stage) {
    const requests = stage.isQuick ? 60 : 200;
    const perKey = requests / 8;
    const team = await stage.open({
      capNano: roomFor(stage, perKey * 2, { maxTokens: TOKENS }),
      keys: KEYS.map((name) => ({ name, capNano: roomFor(stage, perKey, { maxTokens: TOKENS }) })),
    });
    if ("reason" in team) return team;
    await atOnce(stage, team, requests, () => {
      return { ...anyForm(stage), key: stage.random.pick(KEYS), maxTokens: TOKENS, firstMs: 30 };
    });
    return audit(stage, team);
  },
};
