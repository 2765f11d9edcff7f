import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseConfig } from "../../src/config/load.ts";
import { priceReport } from "../../src/prices/price-report.ts";

const PAGE = readFileSync(new URL("../../docs/prices.md", import.meta.url), "utf8");
const EXAMPLES = [...PAGE.matchAll(/^```yaml\n([^]*?)^```/gm)].map(([, text]) => text!);

test("the examples on the page are good configurations", () => {
  assert.ok(EXAMPLES.length >= 5);
  for (const text of EXAMPLES) parseConfig(text, { path: "prices.md" });
});

test("the calculation on the page is that of its example", () => {
  const example = EXAMPLES.find((text) => text.includes("gpu_hour"))!;
  const [llama] = priceReport(parseConfig(example, { path: "prices.md" }), 0);
  const [{ price }] = llama!.prices as [NonNullable<typeof llama>["prices"][number]];
  for (const usd of [price.input, price.output]) assert.ok(PAGE.includes(`= ${usd} USD for a million`), usd);
});
