/** Tails and quantiles of the normal distribution and of Student's t. DLMF: https://dlmf.nist.gov. */

const ROOT_TWO_PI = Math.sqrt(2 * Math.PI);
const TERMS_MAX = 1_000;

/**
 * P(Z > z) of a standard normal Z, with a small relative error in the upper tail as well. Around the middle the series
 * φ(z)·(z + z³/3 + z⁵/(3·5) + …), further out Laplace's continued fraction φ(z)/(z + 1/(z + 2/(z + 3/…))):
 * Abramowitz and Stegun 26.2.11 and 26.2.14.
 */
export function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z);
  const density = Math.exp((-z * z) / 2) / ROOT_TWO_PI;
  if (z < 3) {
    let sum = z;
    let term = z;
    for (let odd = 3; Math.abs(term) > sum * Number.EPSILON; odd += 2) {
      term *= (z * z) / odd;
      sum += term;
    }
    return 0.5 - density * sum;
  }
  let fraction = z;
  for (let k = 200; k > 0; k--) fraction = z + k / fraction;
  return density / fraction;
}

/** The z that a standard normal does not exceed with that probability, in (0, 1). */
export function normalQuantile(probability: number): number {
  return quantileByTail(probability, normalTail);
}

/** P(T > t) of Student's t: half of I_x(n/2, 1/2) with x = n/(n + t²), DLMF 8.17. */
export function studentTail(t: number, degreesOfFreedom: number): number {
  if (t < 0) return 1 - studentTail(-t, degreesOfFreedom);
  const x = degreesOfFreedom / (degreesOfFreedom + t * t);
  return incompleteBeta(x, degreesOfFreedom / 2, 0.5) / 2;
}

/** The t that Student's t does not exceed with that probability, in (0, 1); degrees of freedom need not be whole. */
export function studentQuantile(probability: number, degreesOfFreedom: number): number {
  return quantileByTail(probability, (t) => studentTail(t, degreesOfFreedom));
}

/** Where a symmetric distribution's tail is 1 − probability, by halving: sure, and exact to the last digits. */
function quantileByTail(probability: number, tail: (x: number) => number): number {
  if (!(probability > 0 && probability < 1)) throw new RangeError(`${probability} is not within (0, 1)`);
  if (probability < 0.5) return -quantileByTail(1 - probability, tail);
  const wanted = 1 - probability;
  let [low, high] = [0, 1];
  while (tail(high) > wanted) [low, high] = [high, high * 2];
  while (high - low > high * 4 * Number.EPSILON) {
    const middle = (low + high) / 2;
    if (tail(middle) > wanted) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** I_x(a, b), the regularised incomplete beta function, by its continued fraction: DLMF 8.17.22. */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast below the mean only.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return front / (a * betaFraction(x, a, b));
}

/** 1 + d₁/(1 + d₂/(1 + …)) by Lentz's method as Thompson and Barnett changed it (1986). */
function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  let [value, upper, lower] = [1, 1, 0];
  for (let k = 1; k < TERMS_MAX; k++) {
    const m = k >> 1;
    const d =
      k % 2 === 0
        ? (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
        : (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    lower = 1 / (1 + d * lower || tiny);
    upper = 1 + d / upper || tiny;
    value *= upper * lower;
    if (Math.abs(upper * lower - 1) < 4 * Number.EPSILON) break;
  }
  return value;
}

/** ln Γ(x) for x > 0: Stirling's series (DLMF 5.11.1) from 10 on, reached by Γ(x + 1) = x·Γ(x). */
export function logGamma(x: number): number {
  let shift = 0;
  let at = x;
  for (; at < 10; at++) shift += Math.log(at);
  const r = 1 / (at * at);
  const series = (1 / 12 - r * (1 / 360 - r * (1 / 1_260 - r * (1 / 1_680 - r * (1 / 1_188))))) / at;
  return (at - 0.5) * Math.log(at) - at + Math.log(ROOT_TWO_PI) + series - shift;
}
