import { Random } from "../../src/core/random.ts";
import { count, isClean, type ScenarioReport } from "./figures.ts";
import type { Gateway, GatewayOptions } from "./gateways/gateway.ts";
import type { Scenario } from "./scenario.ts";
import { Stage } from "./stage.ts";
import { Books } from "./upstream/books.ts";
import { Upstream } from "./upstream/upstream.ts";

export interface TortureOptions {
  start: (options: GatewayOptions) => Promise<Gateway>;
  replicas: number;
  scenarios: readonly Scenario[];
  /** Those that are run; all if empty. */
  only: readonly string[];
  seed: number;
  isQuick: boolean;
  /** How long replicas are killed in turn, in ms. */
  stormMs: number;
  /** Where the first upstream listens, and the second one after it; 0 lets the system choose. */
  upstreamPort?: number;
  /** Called with each report as it comes. */
  onReport?: (report: ScenarioReport) => void;
  /** Called before each scenario. */
  onStart?: (scenario: Scenario) => void;
}

export interface TortureReport {
  gateway: string;
  seed: number;
  size: "quick" | "full";
  scenarios: ScenarioReport[];
}

/** Starts upstreams and gateway, runs the scenarios one after the other, and stops everything. */
export async function torture(options: TortureOptions): Promise<TortureReport> {
  const { start, replicas, seed, isQuick, stormMs, upstreamPort = 0 } = options;
  const books = new Books();
  const upstreams = {
    a: new Upstream(books, upstreamPort),
    b: new Upstream(books, upstreamPort === 0 ? 0 : upstreamPort + 1),
  };
  try {
    await upstreams.a.start();
    await upstreams.b.start();
    const gateway = await start({ upstreams: { a: upstreams.a.url, b: upstreams.b.url }, replicas });
    try {
      const scenarios: ScenarioReport[] = [];
      const random = new Random(seed);
      for (const scenario of options.scenarios) {
        // Drawn for those that are left out as well, so that the others stay the same.
        const own = random.fork();
        if (options.only.length > 0 && !options.only.includes(scenario.name)) continue;
        options.onStart?.(scenario);
        const stage = new Stage({
          name: scenario.name,
          gateway,
          books,
          upstreams,
          random: own,
          isQuick,
          stormMs,
        });
        const report = await runOne(scenario, stage);
        scenarios.push(report);
        options.onReport?.(report);
      }
      return { gateway: gateway.about, seed, size: isQuick ? "quick" : "full", scenarios };
    } finally {
      await gateway.stop();
    }
  } finally {
    await upstreams.a.stop();
    await upstreams.b.stop();
  }
}

async function runOne({ name, what, missing, run }: Scenario, stage: Stage): Promise<ScenarioReport> {
  const startMs = Date.now();
  const reason = missing?.(stage.gateway) ?? null;
  const result = reason === null ? await run(stage).catch(brokenOff) : { reason };
  const common = { name, what, counts: count(stage.outcomes), seconds: (Date.now() - startMs) / 1_000 };
  if ("error" in result) return { ...common, verdict: "failed", note: result.error, caps: [] };
  if ("reason" in result) return { ...common, verdict: "not run", note: result.reason, caps: [] };
  const isClear = result.every(isClean) && common.counts.unanswered === 0;
  const verdict = isClear ? "clean" : "failed";
  const isSilent = result.some(({ unbilledNano }) => unbilledNano === null);
  return { ...common, verdict, note: isSilent ? "It does not report what was spent." : "", caps: result };
}

/** A gateway that can't be asked for keys or figures any more has not come through. */
function brokenOff(error: unknown): { error: string } {
  return { error: error instanceof Error ? error.message : String(error) };
}
