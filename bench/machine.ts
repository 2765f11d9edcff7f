import { spawnSync } from "node:child_process";
import { availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os";

const BYTES_PER_GIB = 2 ** 30;

/** Where and of what the figures were taken: they mean nothing without it. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryGib: number;
  /** Runnable threads over the last minute, before the bench began: others who want the cores too. */
  load: number;
  node: string;
  kernel: string;
  commit: string;
  /** Whether the working tree differs from the commit. */
  dirty: boolean;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGib: Math.round((totalmem() / BYTES_PER_GIB) * 10) / 10,
    load: loadavg()[0] ?? 0,
    node: process.version,
    kernel: `${type()} ${release()}`,
    commit: git("rev-parse", "HEAD") ?? "unknown",
    dirty: git("status", "--porcelain") !== "",
  };
}

export function renderMachine(machine: Machine): string {
  const { cpu, cores, memoryGib, load, node, kernel, commit, dirty } = machine;
  return [
    `machine  ${cpu}, ${cores} cores, ${memoryGib} GiB, load ${load.toFixed(1)}`,
    `system   Node ${node}, ${kernel}`,
    `commit   ${commit}${dirty ? ", with changes" : ""}`,
  ].join("\n");
}

/** What git prints, or null where there is no git or no repository. */
function git(...command: string[]): string | null {
  const { status, stdout } = spawnSync("git", command, { cwd: import.meta.dirname, encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
}
