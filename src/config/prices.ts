import { type Prices, toEntry } from "../prices/price-entry.ts";
import type { PriceSetting } from "./price-schema.ts";
import type { Problem } from "./problem.ts";
import type { Config } from "./schema.ts";

/** Prices as configured, ready for use, and what is wrong with the profiles they name; those are looked for from `folder`. */
export function readPrices(
  settings: Readonly<Record<string, PriceSetting[]>>,
  folder: string,
): { prices: Prices; problems: Problem[] } {
  const prices: Prices = {};
  const problems: Problem[] = [];
  for (const [model, each] of Object.entries(settings)) {
    prices[model] = each.flatMap((setting) => {
      try {
        return [toEntry(setting, folder)];
      } catch (error) {
        problems.push({ keys: ["prices", model], message: (error as Error).message });
        return [];
      }
    });
  }
  return { prices, problems };
}

/** A model that costs nothing because nobody said what it costs would be free in silence. */
export function unpricedProblems({ models, remotes, prices, default_price }: Config): Problem[] {
  if (default_price !== undefined) return [];
  const served: Problem["keys"][] = [
    ...Object.keys(models).map((model) => ["models", model]),
    ...remotes.flatMap(({ models: named }, i) =>
      Object.keys(named).map((model) => ["remotes", i, "models", model]),
    ),
  ];
  return served
    .filter((keys) => !Object.hasOwn(prices, keys.at(-1)!))
    .map((keys) => {
      const model = String(keys.at(-1));
      return { keys, message: `it has no price: add prices.${model}, or a default_price` };
    });
}
