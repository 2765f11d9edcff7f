import { isWithin, ROOT } from "../keys/account-path.ts";

/** Sums of what all tenants were charged. */
const SUM_OF_ALL = /^headgate_cost_usd_total[{ ]/;
const TENANT_LABEL = /[{,]tenant="([^"]*)"/;

/** Metrics as whoever is responsible for that account may see them: without what other tenants were charged. */
export function metricsWithin(text: string, scope: string): string {
  if (scope === ROOT) return text;
  return text
    .split("\n")
    .filter((line) => {
      if (SUM_OF_ALL.test(line)) return false;
      const tenant = TENANT_LABEL.exec(line)?.[1];
      return tenant === undefined || isWithin(`${ROOT}/${tenant}`, scope);
    })
    .join("\n");
}
