import type { SchedulingSettings } from "../config/scheduling-schema.ts";
import type { WorkerReport } from "./heartbeat-report.ts";

/**
 * What comes in at one of several supervisors on a port and concerns all of them:
 * - `heartbeat`: a worker has reported, and was accepted;
 * - `worker_left`: it said good-bye, or its process has ended; with an epoch, only that life of it;
 * - `cache_wanted`: somebody has missed what it said of its cache: whoever hears from it next asks for all of it;
 * - `policies`: these are in force now.
 */
export type News =
  | { kind: "heartbeat"; report: WorkerReport }
  | { kind: "worker_left"; worker: string; epoch: string | null; reason: string }
  | { kind: "cache_wanted"; worker: string }
  | { kind: "policies"; settings: SchedulingSettings };

/** Passes it on to the other supervisors. */
export type TellOthers = (news: News) => void;
