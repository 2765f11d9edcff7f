/**
 * Closed forms for one server that customers reach as a Poisson process. λ arrivals and μ services a unit of time,
 * ρ = λ/μ < 1; T is the time in the system, W the wait, N how many are there. Kleinrock, "Queueing Systems" I (1975),
 * unless said.
 */

/** E[T] = 1/(μ − λ), first come first served or shared evenly. */
export function mm1MeanTime(lambda: number, mu = 1): number {
  return 1 / (mu - lambda);
}

/** E[N] = ρ/(1 − ρ). */
export function mm1MeanNumber(rho: number): number {
  return rho / (1 - rho);
}

/** First come first served, T is exponential: −ln(1 − q)/(μ − λ). */
export function mm1TimeQuantile(q: number, lambda: number, mu = 1): number {
  return -Math.log1p(-q) / (mu - lambda);
}

/** Pollaczek and Khinchine: E[W] = ρ·(1 + c²)/2 · E[S]/(1 − ρ), where c² is the service time's squared variation. */
export function mg1MeanWait(rho: number, squaredVariation: number, meanService = 1): number {
  return (rho * (1 + squaredVariation) * meanService) / (2 * (1 - rho));
}

export function mg1MeanTime(rho: number, squaredVariation: number, meanService = 1): number {
  return mg1MeanWait(rho, squaredVariation, meanService) + meanService;
}

/** Shared evenly, E[T | size x] = x/(1 − ρ) whatever the law of sizes. */
export function processorSharingTime(rho: number, size = 1): number {
  return size / (1 - rho);
}

/** Room for K customers, the one served included: an arrival finds it full with (1 − ρ)ρ^K/(1 − ρ^(K+1)), for ρ = 1 with 1/(K+1). */
export function mm1kBlocking(rho: number, room: number): number {
  return rho === 1 ? 1 / (room + 1) : ((1 - rho) * rho ** room) / (1 - rho ** (room + 1));
}

/** Waits of two classes, the first served before the second, nobody interrupted: Cobham (1954). */
export function priorityWaits(first: number, second: number, mu = 1): [first: number, second: number] {
  const residual = (first + second) / mu ** 2;
  const [rho1, rho] = [first / mu, (first + second) / mu];
  return [residual / (1 - rho1), residual / ((1 - rho1) * (1 - rho))];
}

/** Times in the system of two classes, the first of which interrupts the second, which goes on where it was. */
export function preemptiveTimes(first: number, second: number, mu = 1): [first: number, second: number] {
  const [rho1, rho] = [first / mu, (first + second) / mu];
  return [1 / mu / (1 - rho1), 1 / mu / (1 - rho1) + rho / mu / ((1 - rho1) * (1 - rho))];
}

/** Servers in a row: the output of each is as Poisson as its input (Burke, 1956), so times add up. */
export function tandemMeanTime(lambda: number, mus: readonly number[]): number {
  return mus.reduce((sum, mu) => sum + mm1MeanTime(lambda, mu), 0);
}
