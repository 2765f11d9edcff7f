import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, Children } from "../child.ts";
import { makeKey, PAYER, writeConfiguration } from "../data-plane/configuration.ts";
import { type Ask, chatCall } from "../data-plane/dialects.ts";
import { figure, type Figure, type Report } from "../figures.ts";
import { interleave } from "../interleave.ts";
import type { Size } from "../sizes.ts";
import type { Lanes } from "./clients.ts";

const SPEEDUP_MIN = 2.5;
const MS_PER_SECOND = 1_000;
const COUNTS = { "1 supervisor": 1, "4 supervisors": 4 } as const;
const SUBJECTS = Object.keys(COUNTS) as (keyof typeof COUNTS)[];

/**
 * What several supervisors on one ledger serve, beside one: requests a second with every core busy. Clients and upstream
 * run on the same cores.
 *
 * ```
 *   clients ──┐                         ┌──▶ upstream
 *   clients ──┴──▶ 1 or 4 supervisors ──┘
 * ```
 */
export async function benchSupervisors(size: Size): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "headgate-bench-"));
  const log = openSync(join(folder, "headgate.log"), "w");
  try {
    await using children = new Children();
    const upstream = await children.start(new URL("../data-plane/upstream.ts", import.meta.url));
    const clients = await Promise.all(
      Array.from({ length: 2 }, () => children.start(new URL("clients.ts", import.meta.url))),
    );
    const subjects: Subject[] = [];
    for (const [name, count] of Object.entries(COUNTS)) {
      const own = join(folder, String(count));
      mkdirSync(own);
      const configPath = writeConfiguration(own, upstream.url);
      const key = makeKey(configPath, PAYER);
      const script = new URL("headgate.ts", import.meta.url);
      const headgate = await children.start(script, { arguments: [configPath, String(count)], stdout: log });
      subjects.push({ name, url: headgate.url, key });
    }
    const { requests, streams, lanes, tokens } = size.supervisors;
    return {
      bench: "supervisors on one ledger, with a key, budgets checked and holds durable",
      figures: [
        await throughput("not streamed", { endpoint: "remote", streamed: false, tokens: 1 }, requests),
        await throughput(
          `${tokens} tokens streamed`,
          { endpoint: "remote", streamed: true, tokens },
          streams,
        ),
      ],
    };

    function throughput(what: string, ask: Ask, count: number): Promise<Figure> {
      return measure(what, { ask, count, lanes, rounds: size.rounds, subjects, clients });
    }
  } finally {
    closeSync(log);
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Subject {
  name: string;
  url: string;
  key: string;
}

interface Measurement {
  ask: Ask;
  /** Calls, and how many of them run at the same time, of all clients together. */
  count: number;
  lanes: number;
  rounds: number;
  subjects: readonly Subject[];
  clients: readonly Child[];
}

async function measure(
  what: string,
  { ask, count, lanes, rounds, subjects, clients }: Measurement,
): Promise<Figure> {
  const values = await interleave(rounds, SUBJECTS, async (name) => {
    const { url, key } = subjects.find((subject) => subject.name === name)!;
    const share = {
      url,
      call: chatCall(ask, key),
      count: Math.ceil(count / clients.length),
      lanes: Math.ceil(lanes / clients.length),
    } satisfies Lanes;
    const startMs = performance.now();
    await Promise.all(clients.map((client) => client.ask("load", share)));
    return (count * MS_PER_SECOND) / (performance.now() - startMs);
  });
  return figure({
    what: `requests, ${what}`,
    unit: "1/s",
    rounds: values,
    verdict: {
      formula: "4 supervisors / 1 supervisor",
      of: (round) => round["4 supervisors"] / round["1 supervisor"],
      aim: { at: "least", bound: SPEEDUP_MIN },
    },
  });
}
