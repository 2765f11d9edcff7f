import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, Children, leavePinnedCore } from "../child.ts";
import { figure, type Figure, quantile, type Report } from "../figures.ts";
import { interleave } from "../interleave.ts";
import type { DataPlaneSize, Size } from "../sizes.ts";
import { makeKey, PAYER, writeConfiguration } from "./configuration.ts";
import { type Ask, chatCall, ENDPOINT_KINDS, endpointCall, type EndpointKind } from "./dialects.ts";
import { Load } from "./load.ts";

const CPU_REQUEST_RATIO_MAX = 1.5;
const CPU_TOKEN_RATIO_MAX = 1.2;
const ADDED_P99_MS_MAX = 5;
/** The rate that the aim for added latency is set at. */
const ADDED_P99_RATE = 1_000;
const SHORT_TOKENS = 8;

const PROXIES = ["bare", "headgate"] as const;
const ROUTES = ["direct", ...PROXIES] as const;

type Proxy = (typeof PROXIES)[number];
type Route = (typeof ROUTES)[number];

/** The three ways to the same endpoint. */
interface Rig {
  size: DataPlaneSize;
  rounds: number;
  proxies: Record<Proxy, Child>;
  loads: Record<Route, Load>;
  /** Of an account with limits; only Headgate is told it. */
  key: string;
}

/**
 * What Headgate costs between a client and an endpoint, beside a proxy that only carries bytes.
 *
 * ```
 *   load ──────────────────────▶ upstream     direct
 *   load ──▶ bare proxy ───────▶ upstream     bare
 *   load ──▶ Headgate ─────────▶ upstream     headgate
 * ```
 * With `profileFolder`, the Headgate process leaves a CPU profile there.
 */
export async function benchDataPlane(size: Size, profileFolder: string | null = null): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "headgate-bench-"));
  const log = openSync(join(folder, "headgate.log"), "w");
  try {
    using _ = leavePinnedCore();
    await using children = new Children();
    const upstream = await children.start(new URL("upstream.ts", import.meta.url));
    const bare = await children.start(new URL("bare-proxy.ts", import.meta.url), {
      arguments: [upstream.url],
      isPinned: true,
    });
    const configPath = writeConfiguration(folder, upstream.url);
    const key = makeKey(configPath, PAYER);
    const headgate = await children.start(new URL("headgate.ts", import.meta.url), {
      arguments: [configPath],
      isPinned: true,
      stdout: log,
      nodeOptions: profileFolder === null ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`],
    });
    await upstream.ask("register", headgate.url);
    const loads = {
      direct: new Load(upstream.url),
      bare: new Load(bare.url),
      headgate: new Load(headgate.url),
    };
    const rig: Rig = { size: size.dataPlane, rounds: size.rounds, proxies: { bare, headgate }, loads, key };
    const figures: Figure[] = [];
    for (const endpoint of ENDPOINT_KINDS) {
      figures.push(...(await cpuFigures(rig, endpoint)), ...(await latencyFigures(rig, endpoint)));
    }
    await Promise.all(Object.values(loads).map((load) => load.close()));
    return { bench: "data plane, Headgate with a key, budgets checked and holds durable", figures };
  } finally {
    closeSync(log);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function cpuFigures(rig: Rig, endpoint: EndpointKind): Promise<Figure[]> {
  const { requests, requestLanes, shortStreams, longStreams, streamLanes, longTokens } = rig.size;
  const whole = await cpuPerCall(rig, { endpoint, streamed: false, tokens: 1 }, [requests, requestLanes]);
  const short = await cpuPerCall(rig, { endpoint, streamed: true, tokens: SHORT_TOKENS }, [
    shortStreams,
    streamLanes,
  ]);
  const long = await cpuPerCall(rig, { endpoint, streamed: true, tokens: longTokens }, [
    longStreams,
    streamLanes,
  ]);
  const perToken = (proxy: Proxy): number[] =>
    long[proxy].map((us, round) => (us - short[proxy][round]!) / (longTokens - SHORT_TOKENS));
  return [
    cpuFigure(`${endpoint}: CPU per request, not streamed`, whole, CPU_REQUEST_RATIO_MAX),
    cpuFigure(`${endpoint}: CPU per request, ${SHORT_TOKENS} tokens streamed`, short, CPU_REQUEST_RATIO_MAX),
    cpuFigure(
      `${endpoint}: CPU per further token`,
      { bare: perToken("bare"), headgate: perToken("headgate") },
      CPU_TOKEN_RATIO_MAX,
    ),
  ];
}

/** CPU time of the proxy for each call, in µs, by round. */
function cpuPerCall(
  { proxies, loads, rounds, key }: Rig,
  ask: Ask,
  [count, lanes]: [count: number, lanes: number],
): Promise<Record<Proxy, number[]>> {
  return interleave(rounds, PROXIES, async (proxy) => {
    const beforeUs = await proxies[proxy].cpuUs();
    await loads[proxy].lanes(callOn(proxy, ask, key), { count, lanes });
    return ((await proxies[proxy].cpuUs()) - beforeUs) / count;
  });
}

function cpuFigure(what: string, rounds: Record<Proxy, number[]>, ratioMax: number): Figure {
  return figure({
    what,
    unit: "µs",
    rounds,
    verdict: {
      formula: "headgate / bare",
      of: ({ headgate, bare }) => headgate / bare,
      aim: { at: "most", bound: ratioMax },
    },
  });
}

async function latencyFigures(rig: Rig, endpoint: EndpointKind): Promise<Figure[]> {
  const figures: Figure[] = [];
  const ask: Ask = { endpoint, streamed: false, tokens: 1 };
  for (const rate of rig.size.rates) {
    const latencies = await interleave(rig.rounds, ROUTES, (route) =>
      rig.loads[route].arrivals(callOn(route, ask, rig.key), { rate, seconds: rig.size.rateSeconds }),
    );
    for (const [name, q] of [
      ["p50", 0.5],
      ["p99", 0.99],
    ] as const) {
      const at = (route: Route): number[] => latencies[route].map((sorted) => quantile(sorted, q));
      figures.push(
        figure({
          what: `${endpoint}: latency ${name} at ${rate} requests/s`,
          unit: "ms",
          rounds: { direct: at("direct"), bare: at("bare"), headgate: at("headgate") },
          verdict: {
            formula: "headgate - direct",
            of: ({ headgate, direct }) => headgate - direct,
            aim: name === "p99" && rate === ADDED_P99_RATE ? { at: "most", bound: ADDED_P99_MS_MAX } : null,
          },
        }),
      );
    }
  }
  return figures;
}

function callOn(route: Route, ask: Ask, key: string | null): ReturnType<typeof chatCall> {
  return route === "headgate" ? chatCall(ask, key) : endpointCall(ask);
}
