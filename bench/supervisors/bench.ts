import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, Children } from "../child.ts";
import { makeKey, PAYER, WATCHER, writeConfiguration } from "../data-plane/configuration.ts";
import { type Ask, chatCall } from "../data-plane/dialects.ts";
import type { Figure, Report } from "../figures.ts";
import { interleave } from "../interleave.ts";
import type { Size } from "../sizes.ts";
import type { Lanes } from "./clients.ts";
import { type Headgate, headgateCpuUs } from "./cpu.ts";
import { COUNTS, NOTES, type Sample, type Subject, SUBJECTS, toFigures } from "./samples.ts";
import type { Answered } from "./upstream.ts";

const MS_PER_SECOND = 1_000;

interface Rig {
  rounds: number;
  clients: Child;
  upstream: Child;
  subjects: Record<Subject, Headgate & { key: string }>;
}

/**
 * What several supervisors on one ledger serve, beside one: requests a second with every core busy, and the CPU time that
 * each side takes for a request. Clients and upstream run on the same cores, so they are as lean as can be.
 *
 * ```
 *   clients ────▶ 1 or 4 supervisors ────▶ upstream
 * ```
 * With `profileFolder`, every Headgate process leaves a CPU profile there.
 */
export async function benchSupervisors(size: Size, profileFolder: string | null = null): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "headgate-bench-"));
  const log = openSync(join(folder, "headgate.log"), "w");
  try {
    await using children = new Children();
    const upstream = await children.start(new URL("upstream.ts", import.meta.url));
    const clients = await children.start(new URL("clients.ts", import.meta.url));
    const start = async (supervisors: number): Promise<Headgate & { key: string }> => {
      const own = join(folder, String(supervisors));
      mkdirSync(own);
      const configPath = writeConfiguration(own, upstream.url);
      const [key, watcherKey] = [makeKey(configPath, PAYER), makeKey(configPath, WATCHER)];
      const process = await children.start(new URL("headgate.ts", import.meta.url), {
        arguments: [configPath, String(supervisors)],
        stdout: log,
        nodeOptions: profileFolder === null ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`],
      });
      return { process, supervisors, key, watcherKey };
    };
    const subjects = {
      "1 supervisor": await start(COUNTS["1 supervisor"]),
      "4 supervisors": await start(COUNTS["4 supervisors"]),
    };
    const { requests, requestLanes, streams, streamLanes, tokens, warmUp } = size.supervisors;
    const rig: Rig = { rounds: size.rounds, clients, upstream, subjects };
    const whole = { streamed: false, tokens: 1 };
    const stream = { streamed: true, tokens };
    const figures = [
      ...(await measure(rig, "not streamed", whole, {
        count: requests,
        lanes: requestLanes,
        warmUp: warmUp.requests,
      })),
      ...(await measure(rig, `${tokens} tokens streamed`, stream, {
        count: streams,
        lanes: streamLanes,
        warmUp: warmUp.streams,
      })),
    ];
    for (const { process } of Object.values(subjects)) await process.ask("stop");
    return {
      bench: "supervisors on one ledger, with a key, budgets checked and holds durable",
      figures,
      notes: NOTES,
    };
  } finally {
    closeSync(log);
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Amount {
  /** Calls of one load, and how many of them are under way at the same time. */
  count: number;
  lanes: number;
}

/**
 * Code that has run more often runs faster, for tens of thousands of requests: so each supervisor serves `warmUp` before any
 * count. Of one load, each of four has but a quarter.
 */
async function measure(
  rig: Rig,
  what: string,
  answered: Answered,
  { warmUp, ...amount }: Amount & { warmUp: number },
): Promise<Figure[]> {
  await rig.upstream.ask("answer", answered satisfies Answered);
  const ask: Ask = { endpoint: "remote", ...answered };
  for (const subject of SUBJECTS) {
    await sample(rig, subject, { ask, ...amount, count: warmUp * COUNTS[subject] });
  }
  const samples = await interleave(rig.rounds, SUBJECTS, (subject) =>
    sample(rig, subject, { ask, ...amount }),
  );
  return toFigures(what, samples);
}

/** So many calls to one subject, and what each process has spent on them. */
async function sample(
  { clients, upstream, subjects }: Rig,
  subject: Subject,
  { ask, count, lanes }: Amount & { ask: Ask },
): Promise<Sample> {
  const headgate = subjects[subject];
  const spentUs = async (): Promise<Sample["cpuUs"]> => ({
    ...(await headgateCpuUs(headgate)),
    clients: await clients.cpuUs(),
    upstream: await upstream.cpuUs(),
  });
  const load = { url: headgate.process.url, call: chatCall(ask, headgate.key), count, lanes } satisfies Lanes;
  const before = await spentUs();
  const tookMs = Number(await clients.ask("load", load));
  const after = await spentUs();
  const each = (name: keyof Sample["cpuUs"]): number => (after[name] - before[name]) / count;
  return {
    rate: (count * MS_PER_SECOND) / tookMs,
    cpuUs: {
      supervisors: each("supervisors"),
      launcher: each("launcher"),
      clients: each("clients"),
      upstream: each("upstream"),
    },
  };
}
