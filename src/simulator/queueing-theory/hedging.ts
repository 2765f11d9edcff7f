/**
 * Response times when a second copy starts after a delay d and the first to end wins; copies are independent and never
 * wait. P(T > t) is that of one copy up to d, then the product of both. Dean and Barroso, "The Tail at Scale" (2013).
 */
export type Tail = (t: number) => number;

export function exponentialTail(t: number): number {
  return Math.exp(-t);
}

/** Pareto from 1 on. */
export function paretoTail(shape: number): Tail {
  return (t) => (t <= 1 ? 1 : t ** -shape);
}

export function hedgedTail(tail: Tail, delay: number): Tail {
  return (t) => tail(t) * (t > delay ? tail(t - delay) : 1);
}

/** Where the tail has come down to 1 − q, by halving. */
export function tailQuantile(tail: Tail, q: number): number {
  let [low, high] = [0, 1];
  while (tail(high) > 1 - q) [low, high] = [high, high * 2];
  while (high - low > high * 4 * Number.EPSILON) {
    const middle = (low + high) / 2;
    if (tail(middle) > 1 - q) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** An answer that needs all of n parts is slow when one of them is: 1 − (1 − p)^n. */
export function fanOutSlow(parts: number, slow: number): number {
  return 1 - (1 - slow) ** parts;
}
