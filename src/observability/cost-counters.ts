import type { Registry } from "prom-client";
import type { SettledRecord } from "../core/settling/record.ts";
import { addScrapedCounter } from "./scraped-counter.ts";

/** Tenants with a label of their own; those beyond share one, however many keys are made. */
const TENANTS_MAX = 100;
const NANO_USD_PER_USD = 1e9;

/** What settled requests were charged, by model and by tenant. */
export class CostCounters {
  readonly #nanoUsdByModel = new Map<string, number>();
  readonly #nanoUsdByTenant = new Map<string, number>();

  constructor(registry: Registry) {
    addScrapedCounter({
      registry,
      name: "headgate_cost_usd_total",
      help: "What settled requests were charged, in USD.",
      labels: ["model"],
      read: () => Array.from(this.#nanoUsdByModel, ([model, nanoUsd]) => [{ model }, inUsd(nanoUsd)]),
    });
    addScrapedCounter({
      registry,
      name: "headgate_tenant_cost_usd_total",
      help: `What tenants were charged, in USD; beyond the first ${TENANTS_MAX} all together as "other".`,
      labels: ["tenant"],
      read: () => Array.from(this.#nanoUsdByTenant, ([tenant, nanoUsd]) => [{ tenant }, inUsd(nanoUsd)]),
    });
  }

  settled({ tenant, charged }: SettledRecord, modelLabel: string): void {
    const byTenant = this.#nanoUsdByTenant;
    const isNamed = byTenant.has(tenant) || byTenant.size < TENANTS_MAX;
    add(this.#nanoUsdByModel, modelLabel, charged.nanoUsd);
    add(byTenant, isNamed ? tenant : "other", charged.nanoUsd);
  }
}

function add(sums: Map<string, number>, name: string, amount: number): void {
  sums.set(name, (sums.get(name) ?? 0) + amount);
}

function inUsd(nanoUsd: number): number {
  return nanoUsd / NANO_USD_PER_USD;
}
