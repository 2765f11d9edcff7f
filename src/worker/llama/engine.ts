import type { Llama } from "node-llama-cpp";
import type { Logger } from "pino";
import type { Engine } from "../engine.ts";
import type { EngineOptions, ModelOptions } from "../options.ts";
import { CONTEXT_TOKENS_DEFAULT, ENGINE_DEFAULT, SLOTS_DEFAULT } from "../options.ts";
import { removeLeftFolders } from "../handover/state-folder.ts";
import { loadLlama } from "./backend.ts";
import { locateModel } from "./model-file.ts";
import { modelHash } from "./model-hash.ts";
import { LlamaEngineModel } from "./model.ts";
import { measureThreads } from "./threads.ts";

/** Loads every model, one after the other, into one llama.cpp in this process. */
export async function loadLlamaEngine(options: {
  models: readonly ModelOptions[];
  engine: EngineOptions;
  log: Logger;
  onProgress: (model: string, fraction: number) => void;
}): Promise<Engine> {
  const { models, engine, log, onProgress } = options;
  await removeLeftFolders(log);
  const llama = await loadLlama({ gpu: engine.gpu ?? ENGINE_DEFAULT.gpu, log });
  try {
    const loaded: LlamaEngineModel[] = [];
    for (const model of models) {
      const modelLog = log.child({ model: model.name });
      loaded.push(await loadModel({ llama, model, engine, log: modelLog, onProgress }));
      onProgress(model.name, 1);
    }
    return {
      models: loaded,
      close: async () => {
        for (const model of loaded) await model.close();
        await llama.dispose();
      },
    };
  } catch (error) {
    await llama.dispose();
    throw error;
  }
}

async function loadModel(options: {
  llama: Llama;
  model: ModelOptions;
  engine: EngineOptions;
  log: Logger;
  onProgress: (model: string, fraction: number) => void;
}): Promise<LlamaEngineModel> {
  const { llama, model, engine, log, onProgress } = options;
  // The last step is not done before the context is there, so progress stays below 1 until then.
  const report = (fraction: number): void => onProgress(model.name, Math.min(fraction, 0.99));
  const modelPath = await locateModel({ path: model.path, downloads: engine.downloads, onProgress: report });
  const weights = await llama.loadModel({ modelPath, onLoadProgress: report });
  const threads = engine.threads ?? ENGINE_DEFAULT.threads;
  return LlamaEngineModel.create({
    name: model.name,
    model: weights,
    modelHash: await modelHash(modelPath),
    contextTokens: model.contextTokens ?? Math.min(weights.trainContextSize, CONTEXT_TOKENS_DEFAULT),
    slots: model.slots ?? SLOTS_DEFAULT,
    threads: threads === "measured" ? await measured() : threads,
    log,
  });

  async function measured(): Promise<number> {
    const result = await measureThreads(weights);
    log.info({ threads: result.threads, trials: result.trials }, "threads measured");
    return result.threads;
  }
}
