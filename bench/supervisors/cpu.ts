import type { Child } from "../child.ts";

/** User and system time of all threads, by `process.cpuUsage` of each process. */
const CPU_SECONDS = /^process_cpu_seconds_total (\S+)/m;
const US_PER_SECOND = 1_000_000;

/** One Headgate that is measured, with one supervisor or several. */
export interface Headgate {
  process: Child;
  /** How many supervisors there are: one is in the process itself, several are in processes of their own. */
  supervisors: number;
  /** Of whoever may read metrics. */
  watcherKey: string;
}

/** CPU time in µs that its supervisors have used so far, and the process that launched them. */
export async function headgateCpuUs(headgate: Headgate): Promise<{ supervisors: number; launcher: number }> {
  const { process, supervisors, watcherKey } = headgate;
  if (supervisors === 1) return { supervisors: await process.cpuUs(), launcher: 0 };
  return { supervisors: await scrapedCpuUs(process.url, watcherKey), launcher: await process.cpuUs() };
}

/** Of all supervisors on the port, as metrics tell it. */
async function scrapedCpuUs(url: string, key: string): Promise<number> {
  const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${key}` } });
  const text = await response.text();
  const seconds = CPU_SECONDS.exec(text)?.[1];
  if (seconds === undefined) throw new Error(`no CPU time in the metrics (${response.status})`);
  return Number(seconds) * US_PER_SECOND;
}
