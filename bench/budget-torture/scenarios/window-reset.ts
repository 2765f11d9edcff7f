import { setTimeout as sleep } from "node:timers/promises";
import type { CapFigures } from "../figures.ts";
import type { Scenario } from "../scenario.ts";
import type { OpenTeam, Stage } from "../stage.ts";
import { type Call, spendOf } from "../upstream/books.ts";
import { inLine, KEY, roomFor } from "./load.ts";

const TOKENS = 40;
/** So many fill the cap of a window. */
const FITTING = 20;
/** Answers that run across its end. */
const ACROSS = 4;
/** Before the end of the window there has to be time for the load. */
const LEAD_MS = 12_000;
/** How far answers run into the next one. */
const BEYOND_MS = 1_500;
const AT_A_TIME = 8;

/**
 * Two windows are filled to the brim, with answers that begin in the first and end in the second. Gateways differ in
 * which of the two those count for, so neither window is blamed for them:
 *
 * ```
 *   ├───────── window 1 ─────────┤├───────── window 2 ─────────┤
 *   ask until refused              ask until refused              each <= cap, without those across
 *              answers across ═════════                           all <= 2 × cap
 * ```
 */
export const windowReset: Scenario = {
  name: "window-reset",
  what: "A cap that is filled in each of two windows, with answers that run from one into the other.",
  missing: ({ window }) => ("reason" in window ? window.reason : null),
  async run(stage) {
    const { window } = stage.gateway;
    if ("reason" in window) return window;
    const capNano = roomFor(stage, FITTING, { maxTokens: TOKENS });
    const team = await stage.open({ capNano: null, keys: [{ name: KEY, capNano }], window });
    if ("reason" in team) return team;

    if (window.endMs(Date.now()) - Date.now() < LEAD_MS)
      await sleep(window.endMs(Date.now()) - Date.now() + window.graceMs);
    const resetMs = window.endMs(Date.now());
    const across = inLine(stage, team, { requests: ACROSS, atATime: ACROSS }, () => ({
      streamed: true,
      maxTokens: TOKENS,
      paceMs: Math.ceil((resetMs + BEYOND_MS - Date.now()) / TOKENS),
    }));
    await stage.generated(team, ACROSS, across);
    await fill(stage, team);
    await sleep(resetMs + window.graceMs - Date.now());
    const [first] = await inLine(stage, team, { requests: 1, atATime: 1 }, () => ({ maxTokens: TOKENS }));
    await across;
    await fill(stage, team);
    return [await figuresOf(stage, team, { capNano, resetMs, isFree: first!.kind === "answered" })];
  },
};

/** More than can fit. */
function fill(stage: Stage, team: OpenTeam): Promise<unknown> {
  return inLine(stage, team, { requests: FITTING * 2, atATime: AT_A_TIME }, () => ({ maxTokens: TOKENS }));
}

async function figuresOf(
  stage: Stage,
  team: OpenTeam,
  { capNano, resetMs, isFree }: { capNano: number; resetMs: number; isFree: boolean },
): Promise<CapFigures> {
  const report = await stage.settle(team);
  const account = `${team.wish.name}/${KEY}`;
  const standing = report?.get(account) ?? null;
  const calls = stage.books.callsOf(team.asked.get(KEY)!);
  const inFirst = spendOf(calls.filter((call: Call) => (call.endedMs ?? Infinity) < resetMs)).nano;
  const inSecond = spendOf(calls.filter((call: Call) => call.startedMs >= resetMs)).nano;
  const all = spendOf(calls);
  const over = Math.max(inFirst - capNano, inSecond - capNano, all.nano - 2 * capNano);
  const reportedNano = standing?.spentNano ?? null;
  return {
    account,
    capNano,
    spentNano: all.nano,
    overageNano: all.overageNano,
    reportedNano,
    overspendNano: Math.max(0, over),
    // The new window has room for one request, even if it has to carry all that ran into it.
    falseRefusals: isFree ? 0 : 1,
    leakedNano: standing?.heldNano ?? 0,
    unbilledNano: reportedNano === null ? null : Math.max(0, all.nano - reportedNano),
    overchargedNano: reportedNano === null ? null : Math.max(0, reportedNano - all.nano),
  };
}
