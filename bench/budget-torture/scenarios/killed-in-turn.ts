import { setTimeout as sleep } from "node:timers/promises";
import { audit } from "../audit.ts";
import type { Scenario } from "../scenario.ts";
import type { OpenTeam, Stage } from "../stage.ts";
import { anyForm, KEY, roomFor } from "./load.ts";

const CLIENTS = 48;
const TOKENS = 40;
const PACE_MS = 3;
/** Between two kills: long enough for the one before to be back, mostly. */
const KILL_MS = { min: 1_500, max: 4_000 };
/** A client that was refused, or cut off, comes again after this. */
const PAUSE_MS = 25;
/** What a request takes, more or less, to draw a cap that fills towards the end. */
const REQUEST_MS = 150;
const FILLED = 0.35;

/** Whoever dies holds a part of the cap, and clients of the others go on. */
export const killedInTurn: Scenario = {
  name: "killed-in-turn",
  what: "Clients keep coming on one cap, and every few seconds another one of the replicas is killed with SIGKILL.",
  missing: ({ replicas, canBeKilled }) => {
    if (replicas === 1) return "There is one replica only: ask for more with --replicas.";
    return canBeKilled ? null : "This gateway was started by hand: the bench can't kill it.";
  },
  async run(stage) {
    const requests = (CLIENTS * stage.stormMs) / REQUEST_MS;
    const capNano = roomFor(stage, Math.ceil(requests * FILLED), { maxTokens: TOKENS });
    const team = await stage.open({ capNano: null, keys: [{ name: KEY, capNano }] });
    if ("reason" in team) return team;
    const endMs = Date.now() + stage.stormMs;
    const clients = Array.from({ length: CLIENTS }, (_, i) => client(stage, { team, endMs, replica: i }));
    await killInTurn(stage, endMs);
    await Promise.all(clients);
    return audit(stage, team);
  },
};

/** One request after the other. */
async function client(
  stage: Stage,
  { team, endMs, replica }: { team: OpenTeam; endMs: number; replica: number },
): Promise<void> {
  while (Date.now() < endMs) {
    const tokens = stage.random.between(1, TOKENS);
    const wish = { ...anyForm(stage), maxTokens: TOKENS, tokens, paceMs: PACE_MS, replica };
    const { kind } = await stage.ask(team, KEY, wish);
    if (kind !== "answered") await sleep(PAUSE_MS);
  }
}

async function killInTurn({ gateway, random }: Stage, endMs: number): Promise<void> {
  for (let turn = 0; Date.now() + KILL_MS.min < endMs; turn++) {
    await sleep(random.between(KILL_MS.min, KILL_MS.max));
    const replica = turn % gateway.replicas;
    await gateway.kill(replica);
    await gateway.restart(replica);
  }
}
