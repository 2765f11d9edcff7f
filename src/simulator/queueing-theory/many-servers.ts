/**
 * Closed forms for c equal servers with unit service rate and one line. a = cρ is the offered load. Erlang (1917).
 */

/** Nobody waits: an arrival is lost with B(c, a), by B(0) = 1, B(k) = a·B(k−1)/(k + a·B(k−1)). */
export function erlangB(servers: number, load: number): number {
  let blocking = 1;
  for (let k = 1; k <= servers; k++) blocking = (load * blocking) / (k + load * blocking);
  return blocking;
}

/** All wait: an arrival has to with B/(1 − ρ(1 − B)). */
export function erlangC(servers: number, rho: number): number {
  const blocking = erlangB(servers, servers * rho);
  return blocking / (1 - rho * (1 - blocking));
}

/** E[W] = C/(c(1 − ρ)). */
export function mmcMeanWait(servers: number, rho: number): number {
  return erlangC(servers, rho) / (servers * (1 - rho));
}

export function mmcMeanTime(servers: number, rho: number): number {
  return mmcMeanWait(servers, rho) + 1;
}

/** First come first served: P(W > w) = C·e^(−c(1−ρ)w), so ln(C/(1 − q))/(c(1 − ρ)), and 0 where fewer than 1 − q wait. */
export function mmcWaitQuantile(q: number, servers: number, rho: number): number {
  return Math.max(0, Math.log(erlangC(servers, rho) / (1 - q)) / (servers * (1 - rho)));
}
