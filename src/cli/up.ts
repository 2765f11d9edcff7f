import { resolve } from "node:path";
import type { Command } from "commander";
import { readEnvironment } from "../config/environment.ts";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { type HeadgateOptions, startHeadgate } from "../headgate.ts";
import { startLauncher } from "../launcher/launcher.ts";
import { createLog } from "../observability/log.ts";
import { parsePort, parseSupervisors } from "./arguments.ts";
import { LoadingProgress } from "./loading-progress.ts";

const PARENT_CHECK_MS = 500;

interface UpArguments {
  config: string;
  host?: string;
  port?: number;
  record?: string;
  supervisors: number;
}

/** One supervisor in this process, or several in processes of their own. */
interface Running {
  url: string;
  stop(): Promise<void>;
}

export function addUpCommand(program: Command): void {
  program
    .command("up")
    .description("start a supervisor, or several, and the embedded workers")
    .option("-c, --config <file>", "configuration", "headgate.yaml")
    .option("--host <address>", "address to listen on, instead of server.host")
    .option("--port <port>", "port to listen on, instead of server.port; 0 for any", parsePort)
    .option(
      "--supervisors <count>",
      "processes that share the port and the ledger, 1 to 64",
      parseSupervisors,
      1,
    )
    .option("--record <file>", "write every event of this run to a file, for `headgate replay`")
    .addHelpText("after", "\nEnvironment: HOST and PORT stand for --host and --port.")
    .action(async (given: UpArguments) => {
      const config = withOverrides(loadConfig(given.config).config, given);
      if (modelsOf(config).length === 0) throw new Error(`${given.config} has neither models nor remotes.`);
      const progress = new LoadingProgress(config.workers.map(({ id }) => id));
      const headgate = await start(given, {
        config,
        configPath: resolve(given.config),
        variables: process.env,
        log: createLog(config.log.level),
        onWarning: say,
        workerEvents: progress,
      });
      stopOnSignal(headgate);
      say(`Headgate listens on ${headgate.url}`);
      await progress.allReady;
      say(welcome(headgate.url, config, given.supervisors));
    });
}

function start({ supervisors, record }: UpArguments, options: HeadgateOptions): Promise<Running> {
  if (supervisors === 1) {
    return startHeadgate({ ...options, ...(record === undefined ? {} : { recordPath: record }) });
  }
  if (record === undefined) return startLauncher({ ...options, supervisors });
  throw new Error(
    "--record writes what one supervisor hears, so it can't be used with --supervisors: leave one of them out.",
  );
}

function withOverrides(config: Config, given: UpArguments): Config {
  const environment = readEnvironment(process.env);
  const host = given.host ?? environment.host ?? config.server.host;
  const port = given.port ?? environment.port ?? config.server.port;
  return { ...config, server: { ...config.server, host, port } };
}

/**
 * The first signal drains; the second one ends the process at once. A signal to npm ends the
 * shell between npm and us without reaching us, so under npm our parent's end counts as one.
 */
function stopOnSignal(headgate: Running): void {
  let isStopping = false;
  const onSignal = (): void => {
    if (isStopping) process.exit(1);
    isStopping = true;
    say("Stopping: running requests finish first. Press Ctrl-C again to stop at once.");
    headgate.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        say(`headgate: ${(error as Error).message}`);
        process.exit(1);
      },
    );
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  process.on("SIGHUP", onSignal);
  if (readEnvironment(process.env).npmScript === undefined) return;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    onSignal();
  }, PARENT_CHECK_MS);
}

function modelsOf({ models, remotes }: Config): string[] {
  return [...Object.keys(models), ...remotes.flatMap((remote) => Object.keys(remote.models))];
}

function welcome(url: string, config: Config, supervisors: number): string {
  const models = modelsOf(config);
  const model = config.aliases["default"] === undefined ? models[0] : "default";
  const processes = supervisors === 1 ? "" : `. ${supervisors} supervisors share the port and the ledger.`;
  return `
Ready. Models: ${models.join(", ")}${processes}

Try it:

  curl -N ${url}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"model": "${model}", "stream": true, "messages": [{"role": "user", "content": "What is the capital of France?"}]}'

Or point any OpenAI client at ${url}/v1. \`npm run headgate -- status\` shows the workers; Ctrl-C drains and stops.
`;
}

/** Words for people go to standard error; standard output carries the log. */
function say(words: string): void {
  process.stderr.write(`${words}\n`);
}
