/**
 * How much a value owes to known chance: where values come with controls, figures whose true means are known, such as the mean
 * gap between the arrivals of a stretch, the weights β are the regression of the values on the controls (least squares,
 * with an intercept). value − Σ β_j·(control_j − its true mean) has the same mean as the value, with a bias of order
 * 1/n, and less variance. Nelson, "Control variate remedies", Operations Research 38 (1990).
 *
 * `controls[i]` belongs to `values[i]`; each control has a weight.
 */
export function controlWeights(
  values: readonly number[],
  controls: readonly (readonly number[])[],
): number[] {
  const means = (controls[0] ?? []).map((_, j) => meanOf(controls.map((row) => row[j]!)));
  const valueMean = meanOf(values);
  const centred = controls.map((row) => row.map((control, j) => control - means[j]!));
  const matrix = means.map((_, j) =>
    means.map((__, k) => centred.reduce((sum, row) => sum + row[j]! * row[k]!, 0)),
  );
  const vector = means.map((_, j) =>
    centred.reduce((sum, row, i) => sum + row[j]! * (values[i]! - valueMean), 0),
  );
  return solve(matrix, vector);
}

/** What the controls, less their true means, are off makes of the value. */
export function knownChance(weights: readonly number[], controls: readonly number[]): number {
  return weights.reduce((sum, weight, j) => sum + weight * controls[j]!, 0);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Gauss's elimination with the largest pivot; a control that never varies, or follows from others, gets weight 0. */
function solve(matrix: number[][], vector: number[]): number[] {
  const n = vector.length;
  const rows = matrix.map((row, i) => [...row, vector[i]!]);
  const pivots: (number[] | null)[] = [];
  for (let column = 0; column < n; column++) {
    const free = rows.filter((row) => !pivots.includes(row));
    const pivot = free.reduce((best, row) => (Math.abs(row[column]!) > Math.abs(best[column]!) ? row : best));
    const isDegenerate = Math.abs(pivot[column]!) <= 1e-12 * (matrix[column]![column]! || 1);
    pivots.push(isDegenerate ? null : pivot);
    if (isDegenerate) continue;
    for (const row of rows) {
      if (row === pivot) continue;
      const factor = row[column]! / pivot[column]!;
      for (let k = column; k <= n; k++) row[k]! -= factor * pivot[k]!;
    }
  }
  return pivots.map((pivot, column) => (pivot === null ? 0 : pivot[n]! / pivot[column]!));
}
