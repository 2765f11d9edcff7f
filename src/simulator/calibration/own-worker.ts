import { fork } from "node:child_process";
import { once } from "node:events";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

/** A worker process that exists to be measured. */
export interface OwnWorker extends AsyncDisposable {
  url: URL;
  model: string;
  /** From its start until it served, in microseconds. */
  startUs: number;
}

/** Starts a worker that serves this GGUF file on a port of the system's choice. Rejects when it ends before it serves. */
export async function startOwnWorker(path: string, signal: AbortSignal): Promise<OwnWorker> {
  const startedMs = performance.now();
  const model = basename(path).replace(/\.gguf$/i, "");
  const child = fork(CLI, ["worker", "--model", `${model}=${path}`, "--port", "0", "--id", "calibration"], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  };
  const url = await new Promise<string>((resolve, reject) => {
    child.on("message", (message: { type: string; url?: string }) => {
      if (message.type === "ready" && message.url !== undefined) resolve(message.url);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the worker ended with code ${code} before it served`)));
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  }).catch(async (error: unknown) => {
    await end();
    throw error;
  });
  const startUs = Math.round((performance.now() - startedMs) * 1_000);
  return { url: new URL(url), model, startUs, [Symbol.asyncDispose]: end };
}
