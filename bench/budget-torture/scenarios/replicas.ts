import { audit } from "../audit.ts";
import type { Scenario } from "../scenario.ts";
import { anyForm, atOnce, KEY, roomFor } from "./load.ts";

/** Each replica has room for all of it by itself, and together they have it once. */
export const replicas: Scenario = {
  name: "replicas",
  what: "Many requests at once on one cap, spread over all replicas; then again, up to the last cent.",
  missing: (gateway) =>
    gateway.replicas > 1 ? null : "There is one replica only: ask for more with --replicas.",
  async run(stage) {
    const requests = stage.isQuick ? 60 : 200;
    const capNano = roomFor(stage, requests / 2, { maxTokens: 30 });
    const team = await stage.open({ capNano: null, keys: [{ name: KEY, capNano }] });
    if ("reason" in team) return team;
    for (let wave = 0; wave < 2; wave++) {
      await atOnce(stage, team, requests / 2, (i) => ({
        ...anyForm(stage),
        maxTokens: 30,
        firstMs: 30,
        replica: i,
      }));
      await stage.settle(team);
    }
    await atOnce(stage, team, requests / 4, (i) => ({ ...anyForm(stage), maxTokens: 30, replica: i }));
    return audit(stage, team);
  },
};
