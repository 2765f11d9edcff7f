import { stringify } from "yaml";
import { formatUsd, type Price, type Rates, type TieredRates } from "../core/budget/money.ts";
import { MICROS_PER_MILLI, type Micros } from "../core/units.ts";

/** Prices as they are written in a file: USD for a million tokens as decimals, names as in the configuration. */
export interface CatalogueRates {
  input: string;
  cached_input?: string;
  output: string;
  reasoning?: string;
}

export interface CatalogueTiers extends CatalogueRates {
  long_context?: ({ above: number } & CatalogueRates)[];
}

export interface CataloguePrice extends CatalogueTiers {
  /** A day or an instant; always if absent. */
  from?: string;
  request?: string;
  batch?: CatalogueTiers;
}

/** As it would stand in a file. */
export function toCataloguePrice({ request, batch, ...tiered }: Price, fromUs: Micros): CataloguePrice {
  return {
    ...(fromUs === 0 ? {} : { from: instantOf(fromUs) }),
    ...toCatalogueTiers(tiered),
    request: formatUsd(BigInt(request)),
    ...(batch === undefined ? {} : { batch: toCatalogueTiers(batch) }),
  };
}

function toCatalogueTiers({ longContext, ...rates }: TieredRates): CatalogueTiers {
  if (longContext === undefined) return toCatalogueRates(rates);
  const tiers = longContext.map(({ aboveTokens, ...each }) => ({
    above: aboveTokens,
    ...toCatalogueRates(each),
  }));
  return { ...toCatalogueRates(rates), long_context: tiers };
}

function toCatalogueRates({
  input,
  cachedInput,
  output,
  reasoning = output,
}: Rates): Required<CatalogueRates> {
  return {
    input: formatUsd(BigInt(input)),
    cached_input: formatUsd(BigInt(cachedInput)),
    output: formatUsd(BigInt(output)),
    reasoning: formatUsd(BigInt(reasoning)),
  };
}

/** A catalogue file; all amounts are in quotes, so that no reader makes numbers of them and rounds. */
export function catalogueText(prices: Readonly<Record<string, CataloguePrice>>, comment: string): string {
  const document = stringify({ prices }, { defaultStringType: "QUOTE_DOUBLE", defaultKeyType: "PLAIN" });
  return `# ${comment}\n${document}`;
}

/** `2026-12-01` for a midnight in UTC, else the instant. */
export function instantOf(us: Micros): string {
  return new Date(us / MICROS_PER_MILLI)
    .toISOString()
    .replace(/T00:00:00\.000Z$/, "")
    .replace(".000Z", "Z");
}
