import type { Report } from "../figures.ts";
import type { Size } from "../sizes.ts";
import { ledgerFigures } from "./ledger.ts";
import { placementFigures } from "./placement.ts";

/** How fast the core decides, without sockets: in this process, and one decision after the other. */
export async function benchCore(size: Size): Promise<Report> {
  return { bench: "core", figures: [...(await placementFigures(size)), ...(await ledgerFigures(size))] };
}
