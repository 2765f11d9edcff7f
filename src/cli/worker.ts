import { basename, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { readEnvironment } from "../config/environment.ts";
import { LABEL_RULE, parseLabels } from "../config/labels.ts";
import { isHubAddress, type LoadedConfig, loadConfig } from "../config/load.ts";
import { MILLIS_PER_SECOND } from "../core/units.ts";
import { GPUS_RULE, gpusSchema } from "../config/gpus-schema.ts";
import { WORKER_ROLES, type WorkerRole } from "../core/vocabulary.ts";
import { createLog } from "../observability/log.ts";
import type { ModelOptions, WorkerOptions } from "../worker/options.ts";
import { runWorkerProcess } from "../worker/process.ts";
import { parseCount, parsePort } from "./arguments.ts";

interface WorkerArguments {
  config?: string;
  id?: string;
  model?: ModelOptions[];
  host?: string;
  port?: number;
  url?: string;
  supervisor?: string[];
  slots?: number;
  gpus?: number;
  contextTokens?: number;
  threads?: number;
  gpu?: boolean;
  receipts?: string;
  role?: WorkerRole;
  label?: string[];
  stateHost?: string[];
}

export function addWorkerCommand(program: Command): void {
  program
    .command("worker")
    .description("run one worker: a process with an engine that serves GGUF models")
    .option("-m, --model <[name=]path...>", "GGUF file or hub address to serve; repeatable", parseModel)
    .option("--id <id>", "name of this worker")
    .option("--host <address>", "address to listen on (default: 127.0.0.1)")
    .option("--port <port>", "port to listen on, 0 for any (default: 3001)", parsePort)
    .option("--url <url>", "address at which supervisors reach this worker")
    .option("--supervisor <url...>", "supervisors to report to")
    .option("--slots <count>", "generations at the same time, for each model", parseCount)
    .option("--gpus <count>", `GPUs that the slots of a model share, ${GPUS_RULE} (default: 1)`, parseGpus)
    .option("--context-tokens <count>", "tokens of prompt and answer together", parseCount)
    .option("--threads <count>", "CPU threads (default: measured)", parseCount)
    .option("--gpu", "use a GPU build of the engine, if one is installed")
    .option("--receipts <file>", "keep receipts of what was generated for supervisors in this file")
    .addOption(new Option("--role <role>", "what it is used for").choices(WORKER_ROLES).default("both"))
    .option("--label <name=value...>", "what it is, such as region=eu; repeatable")
    .option("--state-host <host...>", "hosts of other workers to fetch KV state from, besides this machine")
    .addOption(new Option("--config <file>", "take the worker named by --id from this file").hideHelp())
    .addHelpText(
      "after",
      `
Environment: MODEL_PATH, HOST, PORT, WORKER_ID, WORKER_URL and COORDINATOR_URL stand for
--model, --host, --port, --id, --url and --supervisor.

Example:
  $ npm run headgate -- worker --model tiny=models/headgate-1m.gguf --port 3003 \\
      --supervisor http://127.0.0.1:1337`,
    )
    .action(async (given: WorkerArguments) => {
      const options = given.config === undefined ? fromArguments(given) : fromConfig(given, given.config);
      await runWorkerProcess(options).catch((error: unknown) => {
        const who = options.workerId === undefined ? "" : ` ${options.workerId}`;
        throw new Error(`worker${who} did not start: ${(error as Error).message}`, { cause: error });
      });
    });
}

function fromArguments(given: WorkerArguments): WorkerOptions {
  const environment = readEnvironment(process.env);
  const models = given.model ?? (environment.modelPath ? parseModel(environment.modelPath) : []);
  if (models.length === 0) throw new Error("No model to serve: give --model PATH or set MODEL_PATH.");
  const supervisors = given.supervisor ?? (environment.coordinatorUrl ? [environment.coordinatorUrl] : []);
  const workerId = given.id ?? environment.workerId;
  const workerUrl = given.url ?? environment.workerUrl;
  const host = given.host ?? environment.host;
  const port = given.port ?? environment.port;
  return {
    models: models.map((model) => ({
      ...model,
      ...(given.slots === undefined ? {} : { slots: given.slots }),
      ...(given.gpus === undefined ? {} : { gpus: given.gpus }),
      ...(given.contextTokens === undefined ? {} : { contextTokens: given.contextTokens }),
    })),
    supervisors,
    engine: engineOptions(given),
    log: createLog("info"),
    ...(workerId === undefined ? {} : { workerId }),
    ...(workerUrl === undefined ? {} : { workerUrl }),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(given.receipts === undefined ? {} : { receipts: given.receipts }),
    role: given.role ?? "both",
    labels: labelsOf(given),
    handover: { hosts: given.stateHost ?? [] },
  };
}

function labelsOf({ label = [] }: WorkerArguments): Record<string, string> {
  if (label.length === 0) return {};
  const labels = parseLabels(label.join(","));
  if (labels === null) throw new Error(`Write --label as name=value, where ${LABEL_RULE}.`);
  return labels;
}

function engineOptions({ threads, gpu }: WorkerArguments): NonNullable<WorkerOptions["engine"]> {
  return { threads: threads ?? "measured", gpu: gpu === true ? "auto" : "off" };
}

/** A worker as `headgate up` starts it: all but the supervisor's address stands in the configuration. */
function fromConfig(given: WorkerArguments, path: string): WorkerOptions {
  const loaded = loadConfig(path);
  const { config } = loaded;
  const worker = config.workers.find(({ id }) => id === given.id);
  if (worker === undefined) throw new Error(`${path} has no worker "${given.id}".`);
  const { limits, timeouts, heartbeats } = config;
  return {
    workerId: worker.id,
    port: worker.port,
    role: worker.role,
    labels: worker.labels,
    models: worker.models.map((name) => modelOptions(name, loaded)),
    supervisors: given.supervisor ?? [],
    limits: {
      sessionsMax: limits.worker_sessions_max,
      sessionKvBytesMax: limits.worker_session_kv_bytes_max,
      kvBytesMax: limits.worker_kv_bytes_max,
    },
    engine: {
      ...engineOptions(worker.threads === undefined ? given : { ...given, threads: worker.threads }),
      idleKvTtlMs: timeouts.session * MILLIS_PER_SECOND,
    },
    timing: {
      heartbeatMs: heartbeats.interval * MILLIS_PER_SECOND,
      sessionTtlMs: timeouts.session * MILLIS_PER_SECOND,
      slowReaderMs: timeouts.slow_client * MILLIS_PER_SECOND,
      drainMs: timeouts.drain * MILLIS_PER_SECOND,
    },
    log: createLog(config.log.level).child({ worker: worker.id }),
    ...(given.receipts === undefined ? {} : { receipts: given.receipts }),
  };
}

function modelOptions(name: string, { config, folder }: LoadedConfig): ModelOptions {
  const model = config.models[name]!;
  return {
    name,
    gpus: model.gpus,
    path: isHubAddress(model.path) ? model.path : resolve(folder, model.path),
    ...(model.slots === undefined ? {} : { slots: model.slots }),
    ...(model.context_tokens === undefined ? {} : { contextTokens: model.context_tokens }),
  };
}

function parseGpus(argument: string): number {
  const gpus = Number(argument);
  if (argument.trim() !== "" && gpusSchema.safeParse(gpus).success) return gpus;
  throw new InvalidArgumentError(`give ${GPUS_RULE}, such as 2 or 0.5`);
}

/** `name=path`, or a path whose file name without its ending becomes the name. */
function parseModel(argument: string, earlier: ModelOptions[] = []): ModelOptions[] {
  const equals = argument.indexOf("=");
  const path = argument.slice(equals + 1);
  const name = equals > 0 ? argument.slice(0, equals) : basename(path).replace(/\.gguf$/i, "");
  if (path === "" || name === "") throw new InvalidArgumentError("write it as name=path or path");
  return [...earlier, { name, path }];
}
