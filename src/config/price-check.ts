import { forPromptOf, type NanoUsd, type Price, type Rates, type TieredRates } from "../core/budget/money.ts";
import { formatUsd } from "../core/budget/money.ts";
import type { Problem } from "./problem.ts";

/**
 * What would make a price unfit to hold money by. The worst case of a request has to cover whatever it comes to, so a
 * longer prompt may not be cheaper in anything, a cached token not dearer than one that is read, and a batch not dearer
 * than the same work at once.
 */
export function priceProblems(price: Price): Problem[] {
  const { batch } = price;
  const own = tierProblems(price, []);
  if (batch === undefined) return own;
  return [...own, ...tierProblems(batch, ["batch"]), ...batchProblems(price, batch)];
}

/** Each tier against the one before it. */
function tierProblems(tiered: TieredRates, keys: PropertyKey[]): Problem[] {
  const { longContext = [] } = tiered;
  const problems = cacheProblem(tiered, keys);
  let before: Rates & { aboveTokens?: number } = tiered;
  for (const [i, tier] of longContext.entries()) {
    const here = [...keys, "long_context", i];
    if (before.aboveTokens !== undefined && tier.aboveTokens <= before.aboveTokens) {
      problems.push({ keys: [...here, "above"], message: "must be more than that of the tier before" });
    }
    problems.push(...cacheProblem(tier, here), ...cheaperThan(before, tier, here));
    before = tier;
  }
  return problems;
}

function cacheProblem({ input, cachedInput }: Rates, keys: PropertyKey[]): Problem[] {
  return cachedInput <= input
    ? []
    : [{ keys: [...keys, "cached_input"], message: "must not be above input" }];
}

function cheaperThan(shorter: Rates, longer: Rates, keys: PropertyKey[]): Problem[] {
  const was = namedRates(shorter);
  return Object.entries(namedRates(longer)).flatMap(([name, rate]) => {
    const least = was[name]!;
    if (rate >= least) return [];
    const message = `must not be below the ${formatUsd(BigInt(least))} of shorter prompts`;
    return [{ keys: [...keys, name], message }];
  });
}

/** At every length of prompt at which either of them changes. */
function batchProblems(price: Price, batch: TieredRates): Problem[] {
  const lengths = [price, batch].flatMap(({ longContext = [] }) =>
    longContext.map(({ aboveTokens }) => aboveTokens + 1),
  );
  for (const promptTokens of [0, ...lengths]) {
    const usual = forPromptOf(price, promptTokens);
    const cheap = forPromptOf({ ...batch, request: 0 }, promptTokens);
    for (const [name, most, rate] of [
      ["input", usual.input, cheap.input],
      ["output", dearest(usual), dearest(cheap)],
    ] as const) {
      if (rate <= most) continue;
      const where = promptTokens === 0 ? "" : ` for prompts of ${promptTokens} tokens`;
      const message = `must not be above the ${formatUsd(BigInt(most))} of what is not in a batch${where}`;
      return [{ keys: ["batch", name], message }];
    }
  }
  return [];
}

function dearest({ output, reasoning = output }: Rates): NanoUsd {
  return Math.max(output, reasoning);
}

function namedRates({ input, cachedInput, output, reasoning = output }: Rates): Record<string, NanoUsd> {
  return { input, cached_input: cachedInput, output, reasoning };
}
