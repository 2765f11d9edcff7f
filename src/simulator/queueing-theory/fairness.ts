/**
 * The most that two tenants with work all the time can differ in service under a virtual token counter:
 * 2·max(wp·L, wq·M), with wp and wq the weights of a token of prompt and answer, L the longest prompt, M the tokens
 * of the KV pool. Sheng et al., "Fairness in Serving Large Language Models" (OSDI '24), theorem 4.4.
 */
export function vtcServiceBound(options: {
  promptWeight: number;
  outputWeight: number;
  promptTokensMax: number;
  poolTokens: number;
}): number {
  const { promptWeight, outputWeight, promptTokensMax, poolTokens } = options;
  return 2 * Math.max(promptWeight * promptTokensMax, outputWeight * poolTokens);
}
