import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { Random } from "../../../core/random.ts";
import { type Micros, seconds } from "../../../core/units.ts";
import { WorkloadProblem } from "../problem.ts";
import { type Draw, gamma, histogram, weibull } from "../synthetic/draws.ts";
import { linesOf, parseJson, problemAt } from "./lines.ts";
import { type TraceReader, type TraceRecord, USUAL_BLOCK_TOKENS } from "./trace-reader.ts";

const WINDOW_US = seconds(600);
const FILE_BYTES_MAX = 64 * 2 ** 20;
const CLIENTS_MAX = 10_000;

const DATASET = z.record(
  z.string().regex(/^\d+$/),
  z.object({ input_tokens: z.string(), output_tokens: z.string() }),
);

/** How a client's requests arrive in one window. */
interface Window {
  startUs: Micros;
  /** Expected requests. */
  count: number;
  /** Gaps between them, up to a factor. */
  gap: Draw;
}

/** How long its prompts and answers are from a moment on; null where none were seen. */
interface Lengths {
  startUs: Micros;
  prompt: Draw | null;
  output: Draw | null;
}

interface Client {
  name: string;
  windows: Window[];
  lengths: Lengths[];
}

/**
 * ServeGen's clients: a folder with `chunk-<i>-trace.csv` and `chunk-<i>-dataset.json` for each. A line of the first is
 * a window of 600 s: its start, the rate, the coefficient of variation of the gaps, their law, and its shape and scale. The
 * second has histograms of lengths from a moment on, as texts `{length: share, …}`.
 *
 * Arrivals are drawn from the seed: rate × 600 s requests in each window, of which the remainder below 1 is a chance,
 * with gaps of the law and shape given, stretched so that they fill the window. So rates are kept window by window,
 * however bursty the client is; the scale, which says the same as the rate with a larger error, is not used.
 */
export const servegen: TraceReader = {
  format: "servegen",
  source: "ServeGen, alibaba/ServeGen, Apache-2.0",
  blockTokens: USUAL_BLOCK_TOKENS,
  async *read(path, { random, untilUs }) {
    const streams = new Map<Client, Random>();
    for (const client of await clientsIn(path)) streams.set(client, random.fork());
    const starts = new Set(
      [...streams.keys()].flatMap(({ windows }) => windows.map(({ startUs }) => startUs)),
    );
    for (const startUs of [...starts].sort((a, b) => a - b)) {
      if (startUs >= untilUs) return;
      const records = [...streams].flatMap(([client, stream]) => draw(client, startUs, stream));
      yield* records.sort((a, b) => a.atUs - b.atUs);
    }
  },
};

/** A client's requests in the window that starts then. */
function draw(client: Client, startUs: Micros, random: Random): TraceRecord[] {
  const window = client.windows.find((each) => each.startUs === startUs);
  if (window === undefined) return [];
  const count = Math.floor(window.count) + (random.chance(window.count % 1) ? 1 : 0);
  const prompt = lengthsAt(client, startUs, "prompt");
  const output = lengthsAt(client, startUs, "output");
  const times: number[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) times.push((total += window.gap(random)));
  // Where in its first and last gap the window begins and ends is a matter of chance too.
  const end = total + window.gap(random);
  const shift = random.fraction() * (end - total);
  return times.map((time) => ({
    atUs:
      startUs +
      Math.min(WINDOW_US - 1, Math.floor(((time - times[0]! + shift) / (end - times[0]!)) * WINDOW_US)),
    tenant: client.name,
    promptTokens: Math.max(1, prompt(random)),
    outputTokens: Math.max(1, output(random)),
    blocks: [],
  }));
}

/** What holds then, or, where nothing was seen, what comes next to it in time. */
function lengthsAt({ lengths, name }: Client, atUs: Micros, kind: "prompt" | "output"): Draw {
  const distance = ({ startUs }: Lengths): number =>
    startUs <= atUs ? atUs - startUs : startUs - atUs + WINDOW_US;
  const known = lengths.filter((each) => each[kind] !== null).sort((a, b) => distance(a) - distance(b));
  if (known[0] === undefined) throw new WorkloadProblem(`${name} has requests, and no lengths of them`);
  return known[0][kind]!;
}

async function clientsIn(folder: string): Promise<Client[]> {
  const names = await readdir(folder).catch((error: Error) => {
    throw new WorkloadProblem(`${folder} can't be read: ${error.message}`);
  });
  const numbers = names
    .map((name) => /^chunk-(\d+)-trace\.csv$/.exec(name)?.[1])
    .filter((number) => number !== undefined)
    .sort((a, b) => Number(a) - Number(b));
  if (numbers.length === 0) throw new WorkloadProblem(`${folder} has no chunk-<number>-trace.csv`);
  if (numbers.length > CLIENTS_MAX)
    throw new WorkloadProblem(`${folder} has more than ${CLIENTS_MAX} clients`);
  const clients: Client[] = [];
  for (const number of numbers) {
    clients.push({
      name: `client-${number}`,
      windows: await windowsIn(join(folder, `chunk-${number}-trace.csv`)),
      lengths: await lengthsIn(join(folder, `chunk-${number}-dataset.json`)),
    });
  }
  return clients;
}

async function windowsIn(path: string): Promise<Window[]> {
  const windows: Window[] = [];
  for await (const { text, number } of linesOf(path)) {
    const fields = text.split(",");
    const [start, rate, , , shape] = fields.map(Number);
    if (fields.length !== 6 || !isAmount(start) || !isAmount(rate)) {
      throw problemAt(path, number, "a window has six fields: start, rate, variation, law, shape, scale");
    }
    if (rate === 0) continue;
    const gap = gapOf(fields[3]!, shape);
    if (gap === null)
      throw problemAt(path, number, `"${fields[3]}" with shape "${fields[4]}" is no law of gaps`);
    windows.push({ startUs: seconds(start), count: rate * 600, gap });
  }
  return windows;
}

/** Windows with too few requests for a law have none; their requests are taken as independent. */
function gapOf(law: string, shape = 0): Draw | null {
  if (law === "") return (random) => random.exponential(1);
  if (!(shape > 0) || !Number.isFinite(shape)) return null;
  if (law === "Gamma") return gamma(1, 1 / Math.sqrt(shape));
  return law === "Weibull" ? weibull(1, shape) : null;
}

async function lengthsIn(path: string): Promise<Lengths[]> {
  const unreadable = (error: Error): never => {
    throw new WorkloadProblem(`${path} can't be read: ${error.message}`);
  };
  const { size } = await stat(path).catch(unreadable);
  if (size > FILE_BYTES_MAX) throw new WorkloadProblem(`${path} is larger than ${FILE_BYTES_MAX} bytes`);
  const text = await readFile(path, "utf8").catch(unreadable);
  const dataset = DATASET.safeParse(parseJson(text));
  if (!dataset.success) throw new WorkloadProblem(`${path}: ${z.prettifyError(dataset.error)}`);
  return Object.entries(dataset.data).map(([start, { input_tokens, output_tokens }]) => ({
    startUs: seconds(Number(start)),
    prompt: histogramIn(path, input_tokens),
    output: histogramIn(path, output_tokens),
  }));
}

/** `{45: 0.0097, 46: 0.0117}`; null for an empty one. */
function histogramIn(path: string, text: string): Draw | null {
  const bins = text
    .replace(/^\{|\}$/g, "")
    .split(",")
    .filter((pair) => pair.trim() !== "")
    .map((pair): [number, number] => {
      const [length = Number.NaN, share = Number.NaN] = pair.split(":").map(Number);
      if (isAmount(length) && isAmount(share)) return [Math.round(length), share];
      throw new WorkloadProblem(`${path}: "${pair.trim()}" is no length and its share`);
    });
  return bins.some(([, share]) => share > 0) ? histogram(bins) : null;
}

function isAmount(value: number | undefined): value is number {
  return value !== undefined && Number.isFinite(value) && value >= 0;
}
