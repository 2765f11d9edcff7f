import type { Config } from "../config/schema.ts";
import { priceAt } from "../core/budget/money.ts";
import type { Micros } from "../core/units.ts";
import { type CataloguePrice, toCataloguePrice } from "./catalogue-price.ts";
import type { GpuReckoning, PriceEntry } from "./price-entry.ts";

/** - `past`: another has come into force since; `default`: `default_price`, for want of one of its own. */
export type PriceState = "past" | "in force" | "to come" | "default";

export interface ReportedPrice {
  state: PriceState;
  /** As it would stand in a file, with all that is left out there. */
  price: CataloguePrice;
  /** How it was reckoned from a GPU's price; null where it was given. */
  gpu: GpuReckoning | null;
}

export interface ModelPrices {
  model: string;
  /** Whether the configuration says where it is served; workers may bring others. */
  configured: boolean;
  /** In the order in which they come into force; none where the model is refused. */
  prices: ReportedPrice[];
}

/** Every model that is configured or has a price, by name. */
export function priceReport(config: Config, nowUs: Micros): ModelPrices[] {
  const configured = new Set([
    ...Object.keys(config.models),
    ...config.remotes.flatMap(({ models }) => Object.keys(models)),
  ]);
  return [...new Set([...configured, ...Object.keys(config.prices)])].toSorted().map((model) => {
    const own = Object.hasOwn(config.prices, model) ? config.prices[model]! : [];
    return { model, configured: configured.has(model), prices: reported(own, config, nowUs) };
  });
}

function reported(
  own: readonly PriceEntry[],
  { default_price: usual }: Config,
  nowUs: Micros,
): ReportedPrice[] {
  const inForce = priceAt(own, nowUs);
  const listed = own.map(({ fromUs, price, gpu }): ReportedPrice => {
    const state = price === inForce ? "in force" : fromUs > nowUs ? "to come" : "past";
    return { state, price: toCataloguePrice(price, fromUs), gpu };
  });
  if (inForce !== null || usual === undefined) return listed;
  return [{ state: "default", price: toCataloguePrice(usual, 0), gpu: null }, ...listed];
}
