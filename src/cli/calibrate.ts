import { type Command, InvalidArgumentError } from "commander";
import { type CalibrationFacts, Calibrator } from "../simulator/calibration/calibrate.ts";
import { calibrationTable } from "../simulator/calibration/calibration-table.ts";
import type { MeasuredEngine } from "../simulator/calibration/measured-engine.ts";
import { connectOpenAi } from "../simulator/calibration/openai-engine.ts";
import { startOwnWorker } from "../simulator/calibration/own-worker.ts";
import { writeProfile } from "../simulator/calibration/profile-file.ts";
import { connectWorker } from "../simulator/calibration/worker-engine.ts";
import { seconds } from "../core/units.ts";
import { parseSeconds } from "../simulator/trials/slo-spec.ts";
import { parseCount } from "./arguments.ts";
import { StatusLine } from "./status-line.ts";

interface CalibrateArguments {
  url?: URL;
  model?: string;
  gguf?: string;
  output: string;
  name?: string;
  rounds: number;
  batchMax: number;
  promptTokensMax: number;
  kvTokens?: number;
  sequences?: number;
  contextTokens?: number;
  tokensPerStep?: number;
  blockTokens?: number;
  start?: string;
}

export function addCalibrateCommand(program: Command): void {
  program
    .command("calibrate")
    .description("measure a live engine and write a profile of it for the simulator")
    .option("--url <url>", "the engine: a worker of Headgate, or a server of OpenAI's interface", parseUrl)
    .option("--model <name>", "which of its models, where there are several")
    .option("--gguf <file>", "start a worker with this model, measure that, and end it")
    .option("-o, --output <file>", "where the profile goes", "profile.json")
    .option("--name <name>", "of the profile (default: the model's)")
    .option("--rounds <count>", "how often each point is measured; the median counts", parseCount, 5)
    .option("--batch-max <count>", "the largest batch that is measured", parseCount, 16)
    .option("--prompt-tokens-max <count>", "the longest prompt that is measured", parseCount, 4_096)
    .option("--kv-tokens <count>", "room in the KV cache (default: what the engine says)", parseCount)
    .option("--sequences <count>", "sequences in a batch at most (default: what it says, or 256)", parseCount)
    .option("--context-tokens <count>", "of one sequence (default: what the engine says)", parseCount)
    .option(
      "--tokens-per-step <count>",
      "read in one step at most (default: what it says, or 2048)",
      parseCount,
    )
    .option("--block-tokens <count>", "in a block of the KV cache (default: what it says, or 16)", parseCount)
    .option("--start <duration>", "from the start of the process until it serves, such as 30s")
    .addHelpText(
      "after",
      `
The engine should have nothing else to do. It gets a few hundred short requests, at most --batch-max at a time.
Environment: HEADGATE_KEY is sent as the key, where a server wants one.

Examples:
  $ npm run headgate -- calibrate --gguf models/headgate-1m.gguf
  $ npm run headgate -- calibrate --url http://127.0.0.1:3001 --model headgate-4m -o my-worker.json
  $ npm run headgate -- simulate run --workload poisson:rate=4 --fleet 2xmy-worker.json`,
    )
    .action(runCalibrate);
}

function parseUrl(value: string): URL {
  if (!URL.canParse(value)) throw new InvalidArgumentError("give an address such as http://127.0.0.1:3001");
  return new URL(value);
}

/** Ctrl-C ends it, and then nothing is written. */
async function runCalibrate(given: CalibrateArguments): Promise<void> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort(new Error("stopped; nothing was written"));
  process.once("SIGINT", onSignal);
  const status = new StatusLine();
  try {
    await calibrateWith(given, stop.signal, status);
  } finally {
    status.clear();
    process.off("SIGINT", onSignal);
  }
}

async function calibrateWith(
  given: CalibrateArguments,
  signal: AbortSignal,
  status: StatusLine,
): Promise<void> {
  if ((given.url === undefined) === (given.gguf === undefined)) {
    throw new Error("Say what to measure: either --url or --gguf.");
  }
  if (given.gguf !== undefined) status.show(`starting a worker with ${given.gguf}`);
  await using worker = given.gguf === undefined ? null : await startOwnWorker(given.gguf, signal);
  const url = worker?.url ?? given.url!;
  const engine = await connect(url, worker?.model ?? given.model ?? null);
  const { rounds, batchMax, promptTokensMax } = given;
  const facts = factsOf(given, { worker, engine });
  const calibrator = new Calibrator({ engines: [engine], facts, batchMax, promptTokensMax });
  const onProgress = (done: number, of: number): void => status.show(`${done} of ${of} measurements`);
  await calibrator.measure(rounds, { signal, onProgress });
  status.clear();
  const calibration = calibrator.result();
  process.stdout.write(`${calibrationTable(calibration)}\n`);
  writeProfile(given.output, calibration.profile);
  process.stdout.write(`Wrote ${given.output}; use it as --fleet 2x${given.output}.\n`);
}

async function connect(url: URL, model: string | null): Promise<MeasuredEngine> {
  try {
    return (
      (await connectWorker(url, model)) ??
      (await connectOpenAi(url, { model, key: process.env["HEADGATE_KEY"] }))
    );
  } catch (error) {
    throw new Error(`${url.origin} can't be measured: ${(error as Error).message}`, { cause: error });
  }
}

function factsOf(
  given: CalibrateArguments,
  { worker, engine }: { worker: { startUs: number } | null; engine: MeasuredEngine },
): CalibrationFacts {
  const { name, kvTokens, sequences, contextTokens, tokensPerStep, blockTokens, start } = given;
  const startUs = start === undefined ? worker?.startUs : seconds(parseSeconds(start, "--start"));
  return {
    name: name ?? engine.facts.description.split(" ")[0]!,
    ...(kvTokens === undefined ? {} : { kvTokens }),
    ...(sequences === undefined ? {} : { sequencesMax: sequences }),
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(tokensPerStep === undefined ? {} : { tokensPerStepMax: tokensPerStep }),
    ...(blockTokens === undefined ? {} : { blockTokens }),
    ...(startUs === undefined ? {} : { startUs }),
  };
}
