import type { Figure, Report } from "../figures.ts";
import type { Size } from "../sizes.ts";
import { accountFigures } from "./accounts.ts";
import { ledgerFigures } from "./ledger.ts";
import { placementFigures } from "./placement.ts";

/** How fast the core decides, without sockets: in this process, and one decision after the other. */
export async function benchCore(size: Size): Promise<Report> {
  const figures = [placementFigures, ledgerFigures, accountFigures];
  const found: Figure[] = [];
  for (const measure of figures) found.push(...(await measure(size)));
  return { bench: "core", figures: found };
}
