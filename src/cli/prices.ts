import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { stringify } from "yaml";
import { loadConfig } from "../config/load.ts";
import { nearestName } from "../config/nearest-name.ts";
import { instantSchema } from "../config/price-schema.ts";
import { MICROS_PER_MILLI } from "../core/units.ts";
import { catalogueText } from "../prices/catalogue-price.ts";
import { type Imported, importLiteLlm } from "../prices/litellm.ts";
import type { GpuReckoning } from "../prices/price-entry.ts";
import { type ModelPrices, priceReport, type ReportedPrice } from "../prices/price-report.ts";
import { table } from "./table.ts";

const EXAMPLES = `
Examples:
  $ npm run headgate -- prices list
  $ npm run headgate -- prices show headgate-4m
  $ npm run headgate -- prices gpu
  $ npm run headgate -- prices import model_prices_and_context_window.json --only 'some-model*' --out prices.yaml
  $ npm run headgate -- prices import litellm.json --map fast=vendor/some-model-mini --from 2026-12-01`;

/** Of remarks on what could not be imported, as many as anybody reads. */
const REMARKS_MAX = 40;
const FILE_BYTES_MAX = 64 * 1024 * 1024;

interface PricesArguments {
  config: string;
  json?: boolean;
}

interface ImportArguments {
  only: string[];
  map: ReadonlyMap<string, string>;
  from?: string;
  out?: string;
  force?: boolean;
  json?: boolean;
}

export function addPricesCommand(program: Command): void {
  const prices = program
    .command("prices")
    .description("show what models cost, now and later; take prices over from LiteLLM's file")
    .addHelpText("after", EXAMPLES);
  addList(prices);
  addShow(prices);
  addGpu(prices);
  addImport(prices);
}

function configOption(): Option {
  return new Option("-c, --config <file>", "configuration, which has the prices").default("headgate.yaml");
}

function report({ config: path }: PricesArguments): ModelPrices[] {
  return priceReport(loadConfig(path).config, Date.now() * MICROS_PER_MILLI);
}

function addList(prices: Command): void {
  prices
    .command("list")
    .description(
      "list each model's prices, in USD for a million tokens, and since when or from when they hold",
    )
    .addOption(configOption())
    .option("--json", "print JSON")
    .action((given: PricesArguments) => {
      const models = report(given);
      if (given.json === true) return console.log(JSON.stringify({ models }, null, 2));
      const header = ["model", "state", "from", "input", "cached", "output", "reasoning", "request", "also"];
      console.log(table(header, models.flatMap(rowsOf)));
    });
}

function rowsOf({ model, prices }: ModelPrices): string[][] {
  if (prices.length === 0) return [[model, "refused: no price"]];
  return prices.map(({ state, price, gpu }) => {
    const { from = "", input, cached_input = "", output, reasoning = "", request = "" } = price;
    const also = [
      ...(price.long_context === undefined ? [] : ["long context"]),
      ...(price.batch === undefined ? [] : ["batch"]),
      ...(gpu === null ? [] : ["by the GPU-hour"]),
    ];
    return [model, state, from, input, cached_input, output, reasoning, request, also.join(", ")];
  });
}

function addShow(prices: Command): void {
  prices
    .command("show")
    .description("show all prices of a model, with tiers")
    .argument("<model>", "its name as clients use it")
    .addOption(configOption())
    .option("--json", "print JSON")
    .action((model: string, given: PricesArguments) => {
      const found = findModel(report(given), model);
      if (given.json === true) return console.log(JSON.stringify(found, null, 2));
      const shown = found.prices.map(({ state, price, gpu }) => {
        return stringify({ state, ...price, ...(gpu === null ? {} : { gpu }) }).trimEnd();
      });
      console.log(shown.length === 0 ? "It has no price: requests for it are refused." : shown.join("\n\n"));
    });
}

function findModel(models: readonly ModelPrices[], name: string): ModelPrices {
  const found = models.find(({ model }) => model === name);
  if (found !== undefined) return found;
  const names = models.map(({ model }) => model);
  const nearest = nearestName(name, names);
  const guess = nearest === null ? `there are ${names.join(", ")}` : `did you mean ${nearest}?`;
  throw new Error(`No model "${name}" is configured or priced; ${guess}`);
}

function addGpu(prices: Command): void {
  prices
    .command("gpu")
    .description("show how the prices of self-hosted models come from a GPU's price and what an engine does")
    .argument("[model]", "one of them; all if absent")
    .addOption(configOption())
    .option("--json", "print JSON")
    .action((model: string | undefined, given: PricesArguments) => {
      const models = report(given);
      const asked = model === undefined ? models : [findModel(models, model)];
      const reckoned = asked.flatMap((each) => each.prices.map((price) => ({ model: each.model, ...price })));
      const byGpu = reckoned.filter(hasGpu);
      if (given.json === true) return console.log(JSON.stringify({ prices: byGpu }, null, 2));
      if (byGpu.length === 0)
        return console.log("No price is given by the GPU-hour; docs/prices.md says how.");
      console.log(byGpu.map(describeGpu).join("\n\n"));
    });
}

type ByGpu = ReportedPrice & { model: string; gpu: GpuReckoning };

function hasGpu(price: ReportedPrice & { model: string }): price is ByGpu {
  return price.gpu !== null;
}

function describeGpu({ model, state, price, gpu }: ByGpu): string {
  const { gpu_hour: gpuHour, gpus, utilisation, measured } = gpu;
  const { prefill_tokens_per_second: prefill, decode_tokens_per_second: decode } = gpu;
  const rate = (perSecond: string): string =>
    `${gpuHour} × ${gpus} ÷ 3600 ÷ ${utilisation} ÷ ${perSecond} × 1,000,000`;
  const source =
    measured === null
      ? "as given"
      : `of ${measured.profile}: prompts of ${measured.prompt_tokens} tokens, answers of ${measured.output_tokens}, ${measured.batch} at a time`;
  return [
    `${model}, ${state}${price.from === undefined ? "" : ` from ${price.from}`}`,
    `  tokens a second   ${prefill} read, ${decode} generated; ${source}`,
    `  input             ${rate(prefill)} = ${price.input} USD for a million`,
    `  output            ${rate(decode)} = ${price.output} USD for a million`,
  ].join("\n");
}

function addImport(prices: Command): void {
  prices
    .command("import")
    .description("take over prices from LiteLLM's price file, as a catalogue for `price_catalogue`")
    .argument("<litellm.json>", "model_prices_and_context_window.json, or a file of that format")
    .option("--only <pattern>", "models to take, * standing for any text; may be repeated", collect, [])
    .option("--map <ours=theirs>", "take a model under another name; may be repeated", collectPair, new Map())
    .option(
      "--from <date>",
      "from when these prices hold, such as 2026-12-01 (default: always)",
      parseInstant,
    )
    .option("-o, --out <file>", "where the catalogue goes (default: printed)")
    .option("--force", "replace the file if it is there")
    .option("--json", "print the remarks as JSON")
    .action((path: string, given: ImportArguments) => runImport(path, given));
}

function runImport(path: string, { only, map, from, out, force, json }: ImportArguments): void {
  if (out !== undefined && force !== true && existsSync(out)) {
    throw new Error(`${out} exists already: give --force to replace it, or another name.`);
  }
  const imported = readImport(path, { only, map, ...(from === undefined ? {} : { from }) });
  const count = Object.keys(imported.prices).length;
  const text = catalogueText(imported.prices, `Made by \`headgate prices import ${basename(path)}\`.`);
  if (out === undefined) process.stdout.write(text);
  else writeFileSync(out, text);
  if (json === true)
    return console.error(JSON.stringify({ models: count, remarks: imported.remarks }, null, 2));
  console.error(describeImport(imported));
}

function readImport(path: string, options: Parameters<typeof importLiteLlm>[1]): Imported {
  try {
    const text = readFileSync(path, "utf8");
    if (text.length > FILE_BYTES_MAX) throw new Error(`it is larger than ${FILE_BYTES_MAX} bytes`);
    return importLiteLlm(text, options);
  } catch (error) {
    throw new Error(`${path} can't be imported: ${(error as Error).message}`, { cause: error });
  }
}

function describeImport({ prices, remarks }: Imported): string {
  const skipped = new Set(remarks.filter(({ isTaken }) => !isTaken).map(({ model }) => model)).size;
  const lines = remarks
    .slice(0, REMARKS_MAX)
    .map(({ model, isTaken, why }) => `  ${isTaken ? "taken" : "left out"}: ${model}: ${why}`);
  if (remarks.length > REMARKS_MAX) lines.push(`  and ${remarks.length - REMARKS_MAX} more: --json has all`);
  return [`Models taken over: ${Object.keys(prices).length}; left out: ${skipped}.`, ...lines].join("\n");
}

function parseInstant(value: string): string {
  const { error } = instantSchema.safeParse(value);
  if (error) throw new InvalidArgumentError(error.issues[0]!.message);
  return value;
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function collectPair(value: string, before: ReadonlyMap<string, string>): Map<string, string> {
  const [, ours, theirs] = /^([^=]+)=(.+)$/.exec(value) ?? [];
  if (ours === undefined || theirs === undefined) throw new InvalidArgumentError("give it as ours=theirs");
  return new Map([...before, [ours, theirs]]);
}
