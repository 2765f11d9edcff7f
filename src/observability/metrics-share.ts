import { AggregatorRegistry, Gauge, type MetricObjectWithValues, type MetricValue } from "prom-client";
import { DurationHistogram, type Durations } from "./duration-histogram.ts";

/** The metrics of one of several supervisors on a port, as plain data. */
export interface MetricsShare {
  families: MetricObjectWithValues<MetricValue<string>>[];
  histograms: HistogramFamily[];
}

export interface HistogramFamily {
  name: string;
  help: string;
  /** Labels as they stand between braces in the text, such as `stage="queue"`. */
  series: { labels: string; durations: Durations }[];
}

/** In the text format of Prometheus: what the registry writes, and histograms of our own behind it. */
export function expositionText(registryText: string, families: readonly HistogramFamily[]): string {
  const texts = families.map(({ name, help, series }) => {
    const lines = series.flatMap(({ labels, durations }) => {
      const histogram = new DurationHistogram();
      histogram.add(durations);
      return histogram.lines(name, labels);
    });
    return [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`, ...lines].join("\n");
  });
  return [registryText, ...texts, ""].join("\n");
}

/**
 * The exposition text of several supervisors together: sums, or what the metric's `aggregator` says. `live` are those that
 * serve; `past` is what others had counted before they ended.
 */
export async function textOfAll(live: readonly MetricsShare[], past: MetricsShare): Promise<string> {
  const shares = [...live, past];
  const registry = AggregatorRegistry.aggregate(shares.map(({ families }) => families));
  const supervisors = new Gauge({
    name: "headgate_supervisors",
    help: "Supervisors that serve on this port and whose figures these are.",
    registers: [],
  });
  supervisors.set(live.length);
  registry.registerMetric(supervisors);
  return expositionText(await registry.metrics(), addHistograms(shares));
}

export const NOTHING_COUNTED: MetricsShare = { families: [], histograms: [] };

/** What only ever grows of two shares, added up: it must not fall when a supervisor ends. */
export async function addCounted(past: MetricsShare, ended: MetricsShare): Promise<MetricsShare> {
  const counters = ended.families.filter(({ type }) => (type as unknown) === "counter");
  const registry = AggregatorRegistry.aggregate([past.families, counters]);
  return {
    families: await registry.getMetricsAsJSON(),
    histograms: addHistograms([past, ended]),
  };
}

function addHistograms(shares: readonly MetricsShare[]): HistogramFamily[] {
  const families = new Map<string, { help: string; series: Map<string, DurationHistogram> }>();
  for (const { name, help, series } of shares.flatMap(({ histograms }) => histograms)) {
    const family = families.get(name) ?? { help, series: new Map<string, DurationHistogram>() };
    families.set(name, family);
    for (const { labels, durations } of series) {
      const histogram = family.series.get(labels) ?? new DurationHistogram();
      histogram.add(durations);
      family.series.set(labels, histogram);
    }
  }
  return Array.from(families, ([name, { help, series }]) => ({
    name,
    help,
    series: Array.from(series, ([labels, histogram]) => ({ labels, durations: histogram.toJSON() })),
  }));
}
