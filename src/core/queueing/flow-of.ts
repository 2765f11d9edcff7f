import type { QueueingConfig } from "../config.ts";
import type { Hints, RequestArrived } from "../events.ts";

/** The band that takes what names none, or one that there is not. */
const USUAL_BAND = "normal";

/** Whom a request is counted with. A key's flow is named `tenant/key`; where there is no key or no hint it is the tenant's. */
export function flowOf({ tenant, key, hints }: RequestArrived, flowBy: QueueingConfig["flowBy"]): string {
  switch (flowBy) {
    case "tenant":
      return tenant;
    case "key":
      return keyOf(tenant, key);
    case "hint":
      return hints.flow ?? tenant;
  }
}

/** As weights name the keys of a tenant. */
export function keyOf(tenant: string, key: string | null): string {
  return key === null ? tenant : `${tenant}/${key}`;
}

/** Index of the band that takes it. */
export function bandOf({ priority }: Pick<Hints, "priority">, { bands }: QueueingConfig): number {
  const named = priority === null ? -1 : bands.findIndex(({ name }) => name === priority);
  if (named >= 0) return named;
  return Math.max(
    0,
    bands.findIndex(({ name }) => name === USUAL_BAND),
  );
}

/** Place of the band of that name, or of the one that takes what names none; null where there is no such band. */
export function rankOfBand(name: string | null, config: QueueingConfig): number | null {
  if (name === null) return bandOf({ priority: null }, config);
  const index = config.bands.findIndex((band) => band.name === name);
  return index < 0 ? null : index;
}

/** Packets of one lane compete for the same endpoints: they ask for the same labels. */
export function laneOf(labels: Hints["labels"]): string {
  const names = Object.keys(labels);
  return names.length === 0 ? "" : JSON.stringify(names.sort().map((name) => [name, labels[name]]));
}

/** What a table of the configuration says of a name from outside. */
export function lookUp(table: Readonly<Record<string, number>>, name: string, usual: number): number {
  return Object.hasOwn(table, name) ? table[name]! : usual;
}
