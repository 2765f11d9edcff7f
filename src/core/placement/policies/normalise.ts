/** Turns costs into scores in place: (max − cost) / (max − min), and 1 for all when they are equal. */
export function lowestIsBest(costs: Float64Array): void {
  let min = Infinity;
  let max = -Infinity;
  for (let i = 0; i < costs.length; i++) {
    if (costs[i]! < min) min = costs[i]!;
    if (costs[i]! > max) max = costs[i]!;
  }
  const range = max - min;
  for (let i = 0; i < costs.length; i++) costs[i] = range > 0 ? (max - costs[i]!) / range : 1;
}

/** Turns positive costs into scores in place: lowest / cost, so that twice the cost has half the score. */
export function inProportion(costs: Float64Array): void {
  let min = Infinity;
  for (let i = 0; i < costs.length; i++) if (costs[i]! < min) min = costs[i]!;
  for (let i = 0; i < costs.length; i++) costs[i] = costs[i]! > min ? min / costs[i]! : 1;
}
