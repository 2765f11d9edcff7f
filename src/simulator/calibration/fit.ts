/** One measured duration, and the terms that it is taken to be a sum of. */
export interface Observation {
  /** By coefficient: how often each counts. */
  terms: readonly number[];
  /** Above 0. */
  measured: number;
}

export interface Fit {
  /** None below 0. */
  coefficients: number[];
  /** Mean of |fitted − measured| / measured. */
  meanError: number;
}

/**
 * The coefficients c ≥ 0 that make Σ ((terms · c − measured) / measured)² least: errors count in
 * proportion, so that milliseconds matter as much as seconds. Where a coefficient would be negative it is
 * left out and the rest fitted again. Throws without observations.
 */
export function fitRelative(observations: readonly Observation[]): Fit {
  const [first] = observations;
  if (first === undefined) throw new Error("There is nothing to fit.");
  const rows = observations.map(({ terms, measured }) => terms.map((term) => term / measured));
  let columns = first.terms
    .map((_, column) => column)
    .filter((column) => rows.some((row) => row[column] !== 0));
  for (;;) {
    const solved = leastSquares(rows.map((row) => columns.map((column) => row[column]!)));
    const least = solved.indexOf(Math.min(...solved));
    if (columns.length === 1 || solved[least]! >= 0) {
      const coefficients = first.terms.map((_, column) => Math.max(0, solved[columns.indexOf(column)] ?? 0));
      return { coefficients, meanError: meanErrorOf(observations, coefficients) };
    }
    columns = columns.filter((_, index) => index !== least);
  }
}

/** terms · coefficients */
export function fitted(terms: readonly number[], coefficients: readonly number[]): number {
  return terms.reduce((sum, term, i) => sum + term * coefficients[i]!, 0);
}

/** Mean of |fitted − measured| / measured; 0 of nothing. */
export function meanErrorOf(observations: readonly Observation[], coefficients: readonly number[]): number {
  if (observations.length === 0) return 0;
  const errors = observations.map(({ terms, measured }) => {
    return Math.abs(fitted(terms, coefficients) - measured) / measured;
  });
  return errors.reduce((sum, error) => sum + error, 0) / errors.length;
}

/** Makes rows · x as close to 1 as can be, by the normal equations of columns brought to one size. */
function leastSquares(rows: readonly (readonly number[])[]): number[] {
  const count = rows[0]!.length;
  const sizes = Array.from({ length: count }, (_, column) => {
    return Math.max(...rows.map((row) => Math.abs(row[column]!))) || 1;
  });
  const scaled = rows.map((row) => row.map((value, column) => value / sizes[column]!));
  const dot = (of: (row: readonly number[]) => number): number =>
    scaled.reduce((sum, row) => sum + of(row), 0);
  const matrix = sizes.map((_, i) => [
    // A trace of ridge: columns that can't be told apart share what they explain.
    ...sizes.map((__, j) => dot((row) => row[i]! * row[j]!) + (i === j ? 1e-9 * rows.length : 0)),
    dot((row) => row[i]!),
  ]);
  return solve(matrix).map((value, column) => value / sizes[column]!);
}

/** Gaussian elimination with pivots; each row of the matrix ends with its right-hand side. */
function solve(matrix: number[][]): number[] {
  const count = matrix.length;
  for (let column = 0; column < count; column++) {
    const below = matrix.slice(column).map((row) => Math.abs(row[column]!));
    const pivot = column + below.indexOf(Math.max(...below));
    [matrix[column], matrix[pivot]] = [matrix[pivot]!, matrix[column]!];
    for (let row = 0; row < count; row++) {
      if (row === column) continue;
      const factor = matrix[row]![column]! / matrix[column]![column]!;
      for (let k = column; k <= count; k++) matrix[row]![k]! -= factor * matrix[column]![k]!;
    }
  }
  return matrix.map((row, i) => row[count]! / row[i]!);
}
