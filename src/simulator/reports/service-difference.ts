import type { RequestResult } from "../lab/experiment.ts";
import { MICROS_PER_SECOND } from "../../core/units.ts";

/** How far tenants are from equal service, over the points of a run: 0 is ideal. In weighted tokens a second. */
export interface ServiceDifference {
  max: number;
  mean: number;
  variance: number;
}

const POINTS = 19;
export const WINDOW_S = 60;
/** As the VTC evaluation weighs tokens. */
const INPUT_WEIGHT = 1;
const OUTPUT_WEIGHT = 2;

/**
 * The service difference of the VTC evaluation (Sheng et al., OSDI 2024), which took it at 19 points
 * of ten minutes; other durations get 19 points as well, evenly.
 *
 * At each point, over a window of 60 s: s_u is the rate at which tenant u is served, d_u the rate at which it
 * asks, both in input + 2 × output tokens a second. The difference is Σ_u min(max_v s_v − s_u, |d_u − s_u|): a
 * tenant that gets less than another counts, unless it asks for no more. The service of a request is spread
 * evenly from its first token to its end. Null with fewer than two tenants.
 */
export function serviceDifferenceOf(requests: readonly RequestResult[]): ServiceDifference | null {
  const tenants = new Map<string, { served: Span[]; asked: { atS: number; weight: number }[] }>();
  let lastArrivalS = 0;
  for (const { request, arrivedUs, firstTokenUs, endUs, outputTokens } of requests) {
    const arrivedS = arrivedUs / MICROS_PER_SECOND;
    lastArrivalS = Math.max(lastArrivalS, arrivedS);
    let tenant = tenants.get(request.tenant);
    if (tenant === undefined) tenants.set(request.tenant, (tenant = { served: [], asked: [] }));
    tenant.asked.push({ atS: arrivedS, weight: weightOf(request.promptTokens, request.outputTokens) });
    if (firstTokenUs === null) continue;
    tenant.served.push({
      fromS: firstTokenUs / MICROS_PER_SECOND,
      toS: endUs / MICROS_PER_SECOND,
      weight: weightOf(request.promptTokens, outputTokens),
    });
  }
  if (tenants.size < 2) return null;
  return differenceOf(
    windowsOf(lastArrivalS).map((fromS) =>
      Array.from(tenants.values(), ({ served, asked }) => ({
        served: sum(served, (span) => span.weight * shareWithin(span, fromS)) / WINDOW_S,
        asked: sum(asked, ({ atS, weight }) => (isWithin(atS, fromS) ? weight : 0)) / WINDOW_S,
      })),
    ),
  );
}

/** What a tenant was served and asked for in a window, in weighted tokens a second. */
export interface TenantRates {
  served: number;
  asked: number;
}

/** From the rates of all tenants in each window. */
export function differenceOf(windows: readonly (readonly TenantRates[])[]): ServiceDifference {
  const points = windows.map((rates) => {
    const best = Math.max(...rates.map(({ served }) => served));
    return sum(rates, (rate) => Math.min(best - rate.served, Math.abs(rate.asked - rate.served)));
  });
  const mean = sum(points, (point) => point) / points.length;
  const variance = sum(points, (point) => (point - mean) ** 2) / points.length;
  return { max: Math.max(...points), mean, variance };
}

interface Span {
  fromS: number;
  toS: number;
  weight: number;
}

function weightOf(inputTokens: number, outputTokens: number): number {
  return INPUT_WEIGHT * inputTokens + OUTPUT_WEIGHT * outputTokens;
}

/** Where the windows begin, in seconds: every 28.5 s for ten minutes of arrivals. */
export function windowsOf(lastArrivalS: number): number[] {
  const durationS = Math.max(WINDOW_S, Math.ceil(lastArrivalS / WINDOW_S) * WINDOW_S);
  const stepS = (durationS - WINDOW_S / 2) / (POINTS + 1);
  return Array.from({ length: POINTS }, (_, i) => stepS * (i + 1));
}

function isWithin(atS: number, fromS: number): boolean {
  return atS >= fromS && atS < fromS + WINDOW_S;
}

/** The part of a span that lies within the window; an answer of one token is a moment. */
function shareWithin({ fromS, toS }: Span, windowS: number): number {
  if (toS <= fromS) return isWithin(fromS, windowS) ? 1 : 0;
  const overlapS = Math.min(toS, windowS + WINDOW_S) - Math.max(fromS, windowS);
  return Math.max(0, overlapS) / (toS - fromS);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
