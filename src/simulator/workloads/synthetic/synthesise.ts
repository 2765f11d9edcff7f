import { Random } from "../../../core/random.ts";
import { type Micros, seconds } from "../../../core/units.ts";
import { WorkloadProblem } from "../problem.ts";
import type { Workload, WorkloadRequest } from "../workload.ts";
import { type Arrivals, diurnal, gammaArrivals, onOff, poisson } from "./arrivals.ts";
import {
  CONTEXT_BLOCKS_MAX,
  Conversations,
  CONVERSATIONS_MAX,
  type ConversationStyle,
  PARTS_MAX,
  SYSTEM_BLOCKS_MAX,
  SYSTEMS_MAX,
  TURNS_MAX,
} from "./conversations.ts";
import { Parameters } from "./parameters.ts";

const TOKENS_MAX = 4_000_000;
const RATE_MAX = 1e6;
const SECONDS_MAX = 1e8;

/** Laws of arrival by name: of requests, or of the first turns of conversations. */
const LAWS: Readonly<Record<string, (parameters: Parameters) => Arrivals>> = {
  poisson: (given) => poisson(rateOf(given)),
  gamma: (given) => gammaArrivals(rateOf(given), given.number("cv", { min: 0, max: 100 })),
  "on-off": (given) =>
    onOff(
      rateOf(given),
      given.number("on", { min: 0.001, max: SECONDS_MAX }),
      given.number("off", { min: 0, max: SECONDS_MAX }),
    ),
  diurnal: (given) =>
    diurnal(
      rateOf(given),
      given.number("amplitude", { usual: 0.5, min: 0, max: 1 }),
      given.number("period", { usual: 86_400, min: 0.001, max: SECONDS_MAX }),
    ),
  agents: (given) => together(given.number("clients", { min: 1, max: CONVERSATIONS_MAX, isWhole: true })),
};

export const SYNTHETIC_KINDS: readonly string[] = Object.keys(LAWS);

/**
 * A workload from a description such as `poisson:rate=4,prompt=512~1.2,output=128,seconds=60,seed=1`. Several, joined by
 * ` + `, run beside each other: `poisson:rate=1,tenant=calm + poisson:rate=10,tenant=noisy`.
 *
 * | kind | its own parameters |
 * | --- | --- |
 * | `poisson` | `rate` a second |
 * | `gamma` | `rate`; `cv`, the coefficient of variation of the gaps |
 * | `on-off` | `rate` while on; seconds `on` and `off` |
 * | `diurnal` | mean `rate`; `amplitude` in [0, 1] (0.5); `period` in seconds (86400) |
 * | `agents` | `clients`, each of which begins another conversation after the last turn of one |
 *
 * All have: `seconds` (60) in which somebody begins, `requests` that begin at most, `prompt` (512) and `output` (128) tokens
 * of a turn, `turns` (1; agents: 8) and seconds of `think` (1) between an answer and the next turn, `system` (0) tokens
 * that conversations begin with, and how many `systems` (1) of them there are, `tenant` or a number of `tenants` of
 * which the first sends `noisy` (1) times as much as each other, `priority`, hopes `ttft` and `tpot` in ms, `bounded` (0):
 * 1 for clients that name the length of the answer as its ceiling, `context` (131072) tokens, `block` (64) tokens, `seed` (1).
 * Lengths and times are numbers, lognormal (`512~1.5`: mean and coefficient of variation), or histograms (`64@0.7|4096@0.3`).
 *
 * Throws WorkloadProblem for what can't be understood.
 */
export function synthesise(description: string): Workload {
  const texts = description.split(" + ").map((text) => text.trim());
  if (texts.length > PARTS_MAX) throw new WorkloadProblem(`${texts.length} parts are more than ${PARTS_MAX}`);
  const parts = texts.map((text, part) => partOf(text, part));
  const { blockTokens } = parts[0]!;
  if (parts.some((part) => part.blockTokens !== blockTokens)) {
    throw new WorkloadProblem("all parts must have blocks of the same size");
  }
  const requests = parts.flatMap((part) => part.requests).sort((a, b) => a.atUs - b.atUs);
  if (requests.length === 0)
    throw new WorkloadProblem(`"${description}" comes to no request: it is too short`);
  if (requests.length > CONVERSATIONS_MAX) {
    throw new WorkloadProblem(`"${description}" comes to more than ${CONVERSATIONS_MAX} requests`);
  }
  return {
    name: description,
    source: "synthetic",
    blockTokens,
    requests,
    follow(request, endUs) {
      for (const { conversations } of parts) {
        const next = conversations.follow(request, endUs);
        if (next !== null) return next;
      }
      return null;
    },
  };
}

interface Part {
  blockTokens: number;
  conversations: Conversations;
  requests: WorkloadRequest[];
}

function partOf(text: string, part: number): Part {
  const [, kind = "", rest = ""] = /^([^:]*):?(.*)$/s.exec(text) ?? [];
  const law = Object.hasOwn(LAWS, kind) ? LAWS[kind] : undefined;
  if (law === undefined) {
    throw new WorkloadProblem(`"${kind}" is no kind of workload: one of ${SYNTHETIC_KINDS.join(", ")}`);
  }
  const given = new Parameters(kind, rest);
  const arrivals = law(given);
  const untilUs = seconds(given.number("seconds", { usual: 60, min: 0.001, max: SECONDS_MAX }));
  const most = given.number("requests", {
    usual: CONVERSATIONS_MAX,
    min: 1,
    max: CONVERSATIONS_MAX,
    isWhole: true,
  });
  const style = styleOf(given, { part, isAgain: kind === "agents", untilUs });
  given.end();
  const conversations = new Conversations(style);
  const requests: WorkloadRequest[] = [];
  for (const time of arrivals(new Random(style.seed).fork())) {
    if (seconds(time) >= untilUs || requests.length === most) break;
    requests.push(conversations.begin(requests.length, seconds(time)));
  }
  return { blockTokens: style.blockTokens, conversations, requests };
}

function styleOf(
  given: Parameters,
  { part, isAgain, untilUs }: { part: number; isAgain: boolean; untilUs: Micros },
): ConversationStyle {
  const blockTokens = given.number("block", { usual: 64, min: 1, max: 65_536, isWhole: true });
  const contextMax = Math.min(TOKENS_MAX, CONTEXT_BLOCKS_MAX * blockTokens);
  const contextTokens = given.number("context", {
    usual: Math.min(131_072, contextMax),
    min: 16,
    max: contextMax,
    isWhole: true,
  });
  const systemMax = Math.min(SYSTEM_BLOCKS_MAX * blockTokens, contextTokens - 2);
  return {
    seed: given.number("seed", { usual: 1, min: 0, max: 2 ** 32, isWhole: true }),
    part,
    tenants: tenantsOf(given),
    prompt: given.draw("prompt", 512, TOKENS_MAX),
    output: given.draw("output", 128, TOKENS_MAX),
    turns: given.number("turns", { usual: isAgain ? 8 : 1, min: 1, max: TURNS_MAX, isWhole: true }),
    think: given.draw("think", 1, SECONDS_MAX),
    systemTokens: given.number("system", { usual: 0, min: 0, max: systemMax, isWhole: true }),
    systems: given.number("systems", { usual: 1, min: 1, max: SYSTEMS_MAX, isWhole: true }),
    contextTokens,
    blockTokens,
    isBounded: given.number("bounded", { usual: 0, min: 0, max: 1, isWhole: true }) === 1,
    priority: given.text("priority"),
    slo: sloOf(given),
    againUntilUs: isAgain ? untilUs : null,
  };
}

/** As many entries of each as it is to have shares. */
function tenantsOf(given: Parameters): string[] {
  const name = given.text("tenant");
  const count = given.number("tenants", { usual: 1, min: 1, max: 10_000, isWhole: true });
  const noise = given.number("noisy", { usual: 1, min: 1, max: 10_000, isWhole: true });
  const names = Array.from({ length: count }, (_, i) =>
    count === 1 ? (name ?? "tenant") : `${name ?? "tenant"}-${i}`,
  );
  return [...Array.from({ length: noise - 1 }, () => names[0]!), ...names];
}

function sloOf(given: Parameters): WorkloadRequest["slo"] {
  const hope = (key: string): number => given.number(key, { usual: Infinity, min: 0, max: 1e9 }) / 1_000;
  const [ttft, tpot] = [hope("ttft"), hope("tpot")];
  return ttft === Infinity && tpot === Infinity ? null : { ttftUs: seconds(ttft), tpotUs: seconds(tpot) };
}

function rateOf(given: Parameters): number {
  return given.number("rate", { min: 1e-6, max: RATE_MAX });
}

/** All within the first second, so that they are not in step. */
function together(clients: number): Arrivals {
  return function* () {
    for (let i = 0; i < clients; i++) yield i / clients;
  };
}
