import { audit } from "../audit.ts";
import type { Scenario } from "../scenario.ts";
import { anyForm, atOnce, KEY, roomFor } from "./load.ts";

const TOKENS = 60;
const REQUESTS = 24;

/** What was under way has been spent in part, and whoever knew how much is gone. */
export const killRestart: Scenario = {
  name: "kill-restart",
  what: "The gateway, or one of its replicas, is killed with SIGKILL in the middle of answers, and starts again.",
  missing: ({ canBeKilled }) =>
    canBeKilled ? null : "This gateway was started by hand: the bench can't kill it.",
  async run(stage) {
    const { gateway, random } = stage;
    const rounds = stage.isQuick ? 1 : 3;
    const capNano = roomFor(stage, REQUESTS * (rounds - 0.5), { maxTokens: TOKENS });
    const team = await stage.open({ capNano: null, keys: [{ name: KEY, capNano }] });
    if ("reason" in team) return team;
    for (let round = 0; round < rounds; round++) {
      const replica = round % gateway.replicas;
      const made = stage.books
        .callsOf(team.asked.get(KEY)!)
        .reduce((sum, call) => sum + call.completionTokens, 0);
      const loaded = atOnce(stage, team, REQUESTS, (i) => ({
        ...anyForm(stage),
        maxTokens: TOKENS,
        // So that some have been answered by then.
        tokens: random.between(5, TOKENS),
        paceMs: 4,
        replica: i,
      }));
      await stage.generated(team, made + random.between(1, (REQUESTS * TOKENS) / 2), loaded);
      await gateway.kill(replica);
      await loaded;
      await gateway.restart(replica);
    }
    return audit(stage, team);
  },
};
