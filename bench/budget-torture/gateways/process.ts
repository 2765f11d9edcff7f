import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Unavailable } from "./gateway.ts";

const LINES_KEPT = 40;

/** A process of a gateway, from its start until it serves. */
export class GatewayProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #said: string[] = [];

  constructor(command: readonly [string, ...string[]], environment: Record<string, string>) {
    const [file, ...args] = command;
    this.#child = spawn(file, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...environment },
    });
    this.#exited = new Promise((resolve) => {
      this.#child.once("exit", resolve);
      this.#child.once("error", (error) => {
        this.#said.push(error.message);
        resolve(error);
      });
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      createInterface({ input: stream }).on("line", (line) => {
        this.#said.push(line);
        if (this.#said.length > LINES_KEPT) this.#said.shift();
        this.onLine(line);
      });
    }
  }

  /** Called with whatever it prints. */
  onLine: (line: string) => void = () => {};

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Waits for what tells that it serves; throws `Unavailable` with its last words if it ends before, or takes longer than that. */
  async ready<T>(sign: Promise<T>, withinMs: number): Promise<T> {
    const giveUp = AbortSignal.timeout(withinMs);
    const tooLate = once(giveUp, "abort").then(() => "took too long");
    const early = await Promise.race([
      sign.then((value) => ({ value })),
      this.#exited.then(() => "ended"),
      tooLate,
    ]);
    if (typeof early === "object") return early.value;
    this.#child.kill("SIGKILL");
    throw new Unavailable(`${this.#child.spawnargs.join(" ")} ${early}:\n${this.#said.join("\n")}`);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#exited;
  }
}

/** Runs a command to its end and returns what it printed. Throws with what it said if it fails. */
export async function run(
  command: readonly [string, ...string[]],
  environment: Record<string, string> = {},
): Promise<string> {
  const [file, ...args] = command;
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  let printed = "";
  let said = "";
  child.stdout.on("data", (bytes: Buffer) => (printed += bytes.toString()));
  child.stderr.on("data", (bytes: Buffer) => (said += bytes.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  if (code === 0) return printed;
  throw new Error(`${command.join(" ")} ended with ${code}: ${said.trim() || printed.trim()}`);
}

/** The pids of the processes that one has started. */
export async function childrenOf(pid: number): Promise<number[]> {
  const printed = await run(["ps", "-A", "-o", "pid=,ppid="]);
  const pairs = printed
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  return pairs.filter(([, parent]) => parent === pid).map(([child]) => child!);
}
