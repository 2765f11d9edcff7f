import type { Llama } from "node-llama-cpp";
import { getLlama, LlamaLogLevel, NoBinaryFoundError } from "node-llama-cpp";
import type { Logger } from "pino";

/** Loads llama.cpp. It is never downloaded or compiled: a server does not build software when it starts. */
export async function loadLlama(options: { gpu: "off" | "auto"; log: Logger }): Promise<Llama> {
  const { gpu, log } = options;
  try {
    return await getLlama({
      gpu: gpu === "off" ? false : "auto",
      build: "never",
      skipDownload: true,
      // Each context asks for the number of threads measured for its model. With a limit here,
      // contexts that run at the same time would get fewer than that.
      maxThreads: 0,
      logLevel: LlamaLogLevel.warn,
      logger: (level, message) => writeLog({ log, level, message: message.trim() }),
    });
  } catch (error) {
    if (!(error instanceof NoBinaryFoundError)) throw error;
    throw new Error(
      `No build of llama.cpp for ${process.platform} ${process.arch} is installed. ` +
        `Run \`npm install --include=optional\`, which brings the package ` +
        `@node-llama-cpp/${packageName()}, or build one with \`npx node-llama-cpp source download\`.`,
      { cause: error },
    );
  }
}

function packageName(): string {
  const system = { darwin: "mac", win32: "win" }[process.platform as string] ?? process.platform;
  const processor = process.arch === "arm" ? "armv7l" : process.arch;
  const metal = process.platform === "darwin" && process.arch === "arm64" ? "-metal" : "";
  return `${system}-${processor}${metal}`;
}

function writeLog(options: { log: Logger; level: LlamaLogLevel; message: string }): void {
  const { log, level, message } = options;
  if (message === "") return;
  switch (level) {
    case LlamaLogLevel.fatal:
    case LlamaLogLevel.error:
      return log.error({ from: "llama.cpp" }, message);
    case LlamaLogLevel.warn:
      return log.warn({ from: "llama.cpp" }, message);
    case LlamaLogLevel.info:
    case LlamaLogLevel.log:
    case LlamaLogLevel.debug:
    case LlamaLogLevel.disabled:
      return log.debug({ from: "llama.cpp" }, message);
  }
}
