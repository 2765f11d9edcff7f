/**
 * Each arrival looks at d of N servers at random and joins the shortest line. Closed forms for N → ∞ with unit service rate:
 * Vvedenskaya, Dobrushin and Karpelevich (1996); Mitzenmacher (1996).
 */

/** Share of servers with at least k customers: λ^((d^k − 1)/(d − 1)), for d = 1 λ^k. */
export function choicesTail(lambda: number, choices: number, k: number): number {
  return lambda ** (choices === 1 ? k : (choices ** k - 1) / (choices - 1));
}

/** E[T] = Σ_k λ^((d^k − d)/(d − 1)) from k = 1 on; for d = 1 1/(1 − λ). */
export function choicesMeanTime(lambda: number, choices: number): number {
  if (choices === 1) return 1 / (1 - lambda);
  let sum = 0;
  for (let k = 1; ; k++) {
    const tail = choicesTail(lambda, choices, k);
    if (tail < 1e-18) return sum / lambda;
    sum += tail;
  }
}
