import { audit } from "../audit.ts";
import type { Failure } from "../script.ts";
import type { Scenario } from "../scenario.ts";
import type { OpenTeam, Stage, Wish } from "../stage.ts";
import { anyForm, inLine, KEY, roomFor } from "./load.ts";

const TOKENS = 30;
const FAILURES: readonly Failure[] = ["500", "hang_up", "break"];

/** What a failed attempt has used is spent, whether the next one succeeds or not. */
export const retries: Scenario = {
  name: "retries",
  what: "Attempts that fail before, at and in the middle of the answer; gateway and client try again.",
  async run(stage) {
    const requests = stage.isQuick ? 20 : 80;
    const capNano = roomFor(stage, requests / 2, { maxTokens: TOKENS });
    const team = await stage.open({ capNano: null, keys: [{ name: KEY, capNano }] });
    if ("reason" in team) return team;
    const outcomes = await inLine(stage, team, { requests, atATime: 10 }, () => faulty(stage));
    const failed = outcomes.filter(({ kind }) => kind === "failed").length;
    await retry(stage, team, failed);
    return audit(stage, team);
  },
};

function faulty(stage: Stage): Wish {
  const { random } = stage;
  return {
    ...anyForm(stage),
    model: "pair",
    maxTokens: TOKENS,
    // Half of them at all, and some twice: that is as often as most gateways try again.
    fails: random.chance(0.5) ? random.between(1, 2) : 0,
    how: random.pick(FAILURES),
    breakAt: random.between(1, TOKENS - 1),
  };
}

/** As clients do who got no answer. */
async function retry(stage: Stage, team: OpenTeam, requests: number): Promise<void> {
  if (requests === 0) return;
  await inLine(stage, team, { requests, atATime: 10 }, () => {
    return { ...anyForm(stage), model: "pair", maxTokens: TOKENS };
  });
}
