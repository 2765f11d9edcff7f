import type { Micros } from "../../../src/core/units.ts";
import type { Job } from "./job.ts";

/**
 * How long each job is there, in the order of arrival: c servers, the most urgent class first, within it first come first
 * served, nobody interrupted. For one class this is the recursion of Kiefer and Wolfowitz (1955), for one server Lindley's.
 */
export function exactTimes(
  jobs: readonly Pick<Job, "kind" | "arrivedUs" | "serviceUs">[],
  { servers, kinds }: { servers: number; kinds: number },
): Micros[] {
  const times: Micros[] = [];
  const freeUs = Array.from({ length: servers }, () => 0);
  const lines: number[][] = Array.from({ length: kinds }, () => []);
  let next = 0;
  for (let left = jobs.length; left > 0; left--) {
    const server = freeUs.indexOf(Math.min(...freeUs));
    let nowUs = freeUs[server]!;
    if (lines.every((line) => line.length === 0)) nowUs = Math.max(nowUs, jobs[next]!.arrivedUs);
    for (; next < jobs.length && jobs[next]!.arrivedUs <= nowUs; next++) lines[jobs[next]!.kind]!.push(next);
    const first = lines.find((line) => line.length > 0)!.shift()!;
    const { arrivedUs, serviceUs } = jobs[first]!;
    freeUs[server] = nowUs + serviceUs;
    times[first] = nowUs + serviceUs - arrivedUs;
  }
  return times;
}
