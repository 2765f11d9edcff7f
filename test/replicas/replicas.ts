import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { SupervisorPlace, SupervisorStatus } from "../../src/gateway/fleet-pages.ts";

const POLL_MS = 20;

export interface Answer {
  status: number;
  text: string;
  headers: NodeJS.Dict<string | string[]>;
}

/** Asks on a connection of its own, which is any replica's. */
export function ask(url: string, given: { method?: string; body?: unknown } = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const { method = given.body === undefined ? "GET" : "POST", body } = given;
  const asked = request(url, { method, agent: false }, (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (part: string) => (text += part));
    response.on("error", reject);
    response.on("end", () => resolve({ status: response.statusCode!, text, headers: response.headers }));
  });
  asked.on("error", reject);
  asked.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

export type ReplicaStatus = SupervisorStatus & { supervisor: SupervisorPlace };

/** What each of so many replicas says of itself, by name, once all of them serve and are as they should be. */
export async function statusOfAll(
  url: string,
  count: number,
  isRight: (status: ReplicaStatus) => boolean = () => true,
): Promise<Map<string, ReplicaStatus>> {
  for (;;) {
    const told = new Map<string, ReplicaStatus>();
    for (let asked = 0; asked < 2 * count; asked++) {
      // One that ends takes the connections with it that were its own.
      const answer = await ask(`${url}/headgate/status`).catch(() => null);
      if (answer === null) continue;
      const status = JSON.parse(answer.text) as ReplicaStatus;
      told.set(status.supervisor.name, status);
    }
    if (told.size === count && [...told.values()].every(isRight)) return told;
    await sleep(POLL_MS);
  }
}

export function pidsOf(replicas: ReadonlyMap<string, ReplicaStatus>): number[] {
  return Array.from(replicas.values(), ({ supervisor }) => supervisor.pid);
}

export function knows(status: ReplicaStatus, worker: string): boolean {
  return status.workers.some((known) => known.worker === worker && known.status === "alive");
}

/** Whether a process with that id is there. */
export function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The value of a metric, by its name with its labels as they stand in the text. */
export function metric(text: string, name: string): number {
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  if (line === undefined) throw new Error(`no ${name} in\n${text}`);
  return Number(line.slice(name.length + 1));
}
