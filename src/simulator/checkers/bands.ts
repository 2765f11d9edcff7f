import type { BandConfig, QueueingConfig } from "../../core/config.ts";

/** Index of the band of requests with that priority: the one named so, or else `normal`, or else the first. */
export function bandIndex(priority: string | null, { bands }: Pick<QueueingConfig, "bands">): number {
  const named = bands.findIndex(({ name }) => name === priority);
  const usual = bands.findIndex(({ name }) => name === "normal");
  return named >= 0 ? named : Math.max(0, usual);
}

export function bandFor(priority: string | null, config: Pick<QueueingConfig, "bands">): BandConfig {
  return config.bands[bandIndex(priority, config)]!;
}
