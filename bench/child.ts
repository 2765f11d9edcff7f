/**
 * The channel between the bench and a process that it measures.
 *
 *   child ──{url}──▶ parent            once, when the child serves
 *   parent ──{ask, argument}──▶ child
 *   child ──{answer} or {error}──▶ parent
 *
 * One question at a time. A child ends when its channel closes, so none outlives the bench.
 */
import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";

/** Below this there is no core to spare, and pinning would only make processes wait for each other. */
const CORES_TO_PIN = 3;
/** Asked once: a process that keeps to some of the cores is told of those only. */
const CORES = availableParallelism();

interface Question {
  ask: string;
  argument: unknown;
}

type Message = { url: string } | { answer: unknown } | { error: string };

/** Answers to the parent's questions, by name. `cpu` is always there. */
export type Answers = Record<string, (argument: unknown) => unknown>;

/** In the child: says that it serves, and answers from then on. */
export function serveParent(url: string, answers: Answers = {}): void {
  const all: Answers = { ...answers, cpu: cpuUs };
  process.on("message", ({ ask, argument }: Question) => {
    Promise.try(() => all[ask]?.(argument)).then(
      (answer) => tell({ answer: answer ?? null }),
      (error: unknown) => tell({ error: String(error) }),
    );
  });
  process.once("disconnect", () => process.exit(0));
  tell({ url });
}

function tell(message: Message): void {
  process.send?.(message);
}

/** User and system time of all threads of this process until now, in µs. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

export interface ChildOptions {
  arguments?: string[];
  /** Has one core for itself, the same for every child that is pinned: they are measured in turns. */
  isPinned?: boolean;
  /** For Node, such as `--cpu-prof`. */
  nodeOptions?: string[];
  /** Descriptor that standard output goes to; nowhere by default. */
  stdout?: number;
}

/** In the parent: a process that was started, serves and can be asked. */
export class Child {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, url: string) {
    this.#process = process;
    this.url = url;
  }

  /** Resolves when it serves; throws when it ends before. */
  static async start(script: URL, options: ChildOptions = {}): Promise<Child> {
    const pin = options.isPinned === true ? pinning() : [];
    const [execPath, ...execArgv] = [...pin, process.execPath, ...(options.nodeOptions ?? [])];
    const child = fork(script, options.arguments ?? [], {
      execPath: execPath!,
      execArgv,
      stdio: ["ignore", options.stdout ?? "ignore", "inherit", "ipc"],
    });
    const message = await nextMessage(child);
    if ("url" in message) return new Child(child, message.url);
    throw new Error(`${script.pathname} did not start: ${JSON.stringify(message)}`);
  }

  async ask(ask: string, argument: unknown = null): Promise<unknown> {
    this.#process.send({ ask, argument } satisfies Question);
    const message = await nextMessage(this.#process);
    if ("answer" in message) return message.answer;
    throw new Error(`${this.#process.spawnfile}: ${JSON.stringify(message)}`);
  }

  /** CPU time used so far, in µs. */
  async cpuUs(): Promise<number> {
    return Number(await this.ask("cpu"));
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, "exit");
    this.#process.disconnect();
    await exited;
  }
}

/** Stops whatever was started, in the opposite order, when the block it was made in ends. */
export class Children implements AsyncDisposable {
  readonly #children: Child[] = [];

  async start(script: URL, options?: ChildOptions): Promise<Child> {
    const child = await Child.start(script, options);
    this.#children.push(child);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.toReversed()) await child.stop();
  }
}

async function nextMessage(child: ChildProcess): Promise<Message> {
  const listening = new AbortController();
  const { signal } = listening;
  try {
    return await Promise.race([
      once(child, "message", { signal }).then(([message]) => message as Message),
      once(child, "exit", { signal }).then(([code, by]) => {
        throw new Error(`${child.spawnargs.join(" ")} ended (${String(code ?? by)})`);
      }),
    ]);
  } finally {
    listening.abort();
  }
}

/** The command that puts what follows it on the last core; nothing where that cannot be had. */
function pinning(): string[] {
  return canPin() ? pinnedTo(String(CORES - 1)) : [];
}

function pinnedTo(cores: string): string[] {
  return ["taskset", "--cpu-list", cores];
}

function canPin(): boolean {
  if (CORES < CORES_TO_PIN) return false;
  const [command, ...options] = [...pinnedTo(String(CORES - 1)), process.execPath, "--version"];
  return spawnSync(command, options).status === 0;
}

/**
 * Leaves the last core to the processes that are pinned to it: this process, and children that are
 * started meanwhile and not pinned, keep to the others until the block ends.
 */
export function leavePinnedCore(): Disposable {
  if (!canPin()) return { [Symbol.dispose]: () => {} };
  keepTo(`0-${CORES - 2}`);
  return { [Symbol.dispose]: () => keepTo(`0-${CORES - 1}`) };
}

function keepTo(cores: string): void {
  spawnSync("taskset", ["--all-tasks", "--cpu-list", "--pid", cores, String(process.pid)]);
}
