/**
 * The value that a fraction `q` of the ascending values does not exceed, between two of them in proportion: Hyndman
 * and Fan's definition 7, "Sample quantiles in statistical packages", American Statistician 50 (1996), which
 * spreadsheets and NumPy use too. NaN without values.
 */
export function quantileOfSorted(ascending: ArrayLike<number>, q: number): number {
  const place = (ascending.length - 1) * q;
  const below = ascending[Math.floor(place)] ?? Number.NaN;
  const above = ascending[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/** Several quantiles of values in any order, which stay as they are; one sort for all. */
export function quantiles(values: Iterable<number>, qs: readonly number[]): number[] {
  const ascending = ascendingOf(values);
  return qs.map((q) => quantileOfSorted(ascending, q));
}

export function quantile(values: Iterable<number>, q: number): number {
  return quantileOfSorted(ascendingOf(values), q);
}

/** A sorted copy. A typed array sorts by value, and several times faster than a list with a comparison. */
export function ascendingOf(values: Iterable<number>): Float64Array {
  return Float64Array.from(values).sort();
}
