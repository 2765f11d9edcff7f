import { audit } from "../audit.ts";
import type { Scenario } from "../scenario.ts";
import type { OpenTeam, Stage } from "../stage.ts";
import { anyForm, inLine, KEY, roomFor } from "./load.ts";

const TOKENS = 40;

/** One of two upstreams goes down with answers under way, stays down for a while, and comes back. */
export const failover: Scenario = {
  name: "failover",
  what: "One of two upstreams goes down in the middle of answers, and later comes back.",
  async run(stage) {
    const requests = stage.isQuick ? 24 : 90;
    const capNano = roomFor(stage, requests / 2, { maxTokens: TOKENS });
    const team = await stage.open({ capNano: null, keys: [{ name: KEY, capNano }] });
    if ("reason" in team) return team;
    const { b } = stage.upstreams;
    const before = load(stage, team, requests / 3);
    await stage.generated(team, TOKENS * 2, before);
    await b.stop();
    await before;
    await load(stage, team, requests / 3);
    await b.start();
    await load(stage, team, requests / 3);
    return audit(stage, team);
  },
};

function load(stage: Stage, team: OpenTeam, requests: number): Promise<unknown> {
  return inLine(stage, team, { requests, atATime: 8 }, () => {
    return { ...anyForm(stage), model: "pair", maxTokens: TOKENS, paceMs: 4 };
  });
}
