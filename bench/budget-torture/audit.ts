import { setTimeout as sleep } from "node:timers/promises";
import type { CapFigures } from "./figures.ts";
import type { Outcome } from "./client.ts";
import type { Standings } from "./gateways/gateway.ts";
import { OUTPUT_NANO } from "./money.ts";
import type { OpenTeam, Stage, Wish } from "./stage.ts";
import type { Spend } from "./upstream/books.ts";

/** Of a request that is to fill the room that is left; more take longer, and show nothing new. */
const PROBE_TOKENS_MAX = 4_000;
/** Requests that are to fit, for each key. */
const FITTING = { quick: 1, full: 3 };
/** Where what is held is not reported, a refused request is halved so many times in search of one that fits. */
const HALVINGS_MAX = 5;
/** The upstream was asked to fail no more, but a gateway may still be recovering from what it did. */
const TRIES_MAX = 5;
const PAUSE_MS = 300;

/** A cap with its keys, and what was found out about it. */
interface Cap {
  account: string;
  capNano: number;
  keys: string[];
  /** Once the load had settled. */
  loaded: Spend;
  falseRefusals: number;
  leakedNano: number;
}

/**
 * Holds each cap of a team to the upstream's books, after a scenario's load:
 *
 * ```
 *   settle ──▶ was more spent than the cap?
 *          ──▶ with each key: requests that fit the room that is left     must be answered
 *          ──▶                one that is far too large                   must not pass the cap
 *   settle ──▶ what is reported, and what is still held?
 * ```
 * The room that is left goes by what was spent or by what is reported, whichever is more: a gateway that charges too much keeps
 * to its own books. Only what was billed beyond a declared maximum may pass the cap, and only until it has settled.
 */
export async function audit(stage: Stage, team: OpenTeam): Promise<CapFigures[]> {
  let report = await stage.settle(team);
  let isSettled = true;
  const caps = capsOf(team).map((cap): Cap => {
    return { ...cap, loaded: spendOf(stage, team, cap.keys), falseRefusals: 0, leakedNano: 0 };
  });
  for (const { name: key } of team.wish.keys) {
    const path = caps.filter(({ keys }) => keys.includes(key));
    if (path.length === 0) continue;
    for (let i = 0; i < (stage.isQuick ? FITTING.quick : FITTING.full); i++) {
      if (!isSettled) report = await stage.settle(team);
      isSettled = false;
      const room = Math.min(...path.map((cap) => roomOf(stage, team, cap, report)));
      if (!(await probe({ stage, team, key, path, room }))) break;
    }
    // Far beyond the cap: it may be cut, shortened or refused.
    const largest = Math.max(...path.map(({ capNano }) => capNano));
    await stage.ask(team, key, { maxTokens: Math.ceil((largest * 2) / OUTPUT_NANO) });
  }
  report = await stage.settle(team);
  return caps.map((cap) => figuresOf(stage, team, cap, report));
}

function capsOf({ wish }: OpenTeam): Pick<Cap, "account" | "capNano" | "keys">[] {
  const team = { account: wish.name, capNano: wish.capNano, keys: wish.keys.map(({ name }) => name) };
  const keys = wish.keys.map(({ name, capNano }) => {
    return { account: `${wish.name}/${name}`, capNano, keys: [name] };
  });
  return [team, ...keys].flatMap(({ capNano, ...rest }) => (capNano === null ? [] : [{ capNano, ...rest }]));
}

function spendOf(stage: Stage, team: OpenTeam, keys: readonly string[]): Spend {
  return stage.books.spendOf(keys.flatMap((key) => team.asked.get(key)!));
}

function roomOf(stage: Stage, team: OpenTeam, cap: Cap, report: Standings | null): number {
  const reported = report?.get(cap.account)?.spentNano ?? 0;
  return cap.capNano - Math.max(spendOf(stage, team, cap.keys).nano, reported);
}

interface Probe {
  stage: Stage;
  team: OpenTeam;
  key: string;
  path: readonly Cap[];
  /** In nano-USD. */
  room: number;
}

/** Sends the largest request that fits into the room. Returns whether there was one, and it was answered. */
async function probe({ stage, team, key, path, room }: Probe): Promise<boolean> {
  const promptNano = stage.worstCostOf({ maxTokens: 0 });
  const fitting = Math.min(Math.floor((room - promptNano) / OUTPUT_NANO), PROBE_TOKENS_MAX);
  if (fitting < 1) return false;
  if (await isAnswered(stage, team, key, fitting)) return true;
  for (const cap of path) cap.falseRefusals++;
  // What keeps it out, where nobody says.
  let refused = fitting;
  for (let i = 0; i < HALVINGS_MAX && refused > 1; i++) {
    const less = Math.floor(refused / 2);
    const isLet = await isAnswered(stage, team, key, less);
    if (isLet) break;
    refused = less;
  }
  for (const cap of path)
    cap.leakedNano = Math.max(cap.leakedNano, (fitting - Math.floor(refused / 2)) * OUTPUT_NANO);
  return false;
}

/** A request that fails for reasons other than budgets is sent again. */
async function isAnswered(stage: Stage, team: OpenTeam, key: string, maxTokens: number): Promise<boolean> {
  const wish: Wish = { maxTokens };
  let outcome: Outcome | null = null;
  for (let i = 0; i < TRIES_MAX && (outcome === null || outcome.kind === "failed"); i++) {
    if (i > 0) await sleep(PAUSE_MS);
    outcome = await stage.ask(team, key, wish);
  }
  return outcome?.kind === "answered";
}

function figuresOf(stage: Stage, team: OpenTeam, cap: Cap, report: Standings | null): CapFigures {
  const { account, capNano, loaded } = cap;
  const spent = spendOf(stage, team, cap.keys);
  const standing = report?.get(account) ?? null;
  const reportedNano = standing?.spentNano ?? null;
  const duringLoad = Math.max(0, loaded.nano - capNano - loaded.overageNano);
  const afterwards = Math.max(0, spent.nano - Math.max(capNano, loaded.nano));
  const heldNano = standing?.heldNano ?? null;
  return {
    account,
    capNano,
    spentNano: spent.nano,
    overageNano: spent.overageNano,
    reportedNano,
    overspendNano: duringLoad + afterwards,
    falseRefusals: cap.falseRefusals,
    leakedNano: heldNano ?? cap.leakedNano,
    unbilledNano: reportedNano === null ? null : Math.max(0, spent.nano - reportedNano),
    overchargedNano: reportedNano === null ? null : Math.max(0, reportedNano - spent.nano),
  };
}
