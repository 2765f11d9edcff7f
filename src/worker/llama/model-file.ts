import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { resolveModelFile } from "node-llama-cpp";

/** `hf:user/repo/file.gguf`, `huggingface:…` or a web address. */
const HUB_ADDRESS = /^(hf|huggingface|https?):/;

/**
 * Path of the GGUF file. A hub address is downloaded once, into `downloads`; `onProgress` gets
 * the fraction of bytes that have come, 0 to 1.
 */
export async function locateModel(options: {
  path: string;
  downloads: string | undefined;
  onProgress: (fraction: number) => void;
}): Promise<string> {
  const { path, downloads, onProgress } = options;
  if (!HUB_ADDRESS.test(path)) {
    const file = resolve(path);
    if (!existsSync(file)) throw new Error(`There is no model file at ${file}.`);
    return file;
  }
  try {
    return await resolveModelFile(path, {
      ...(downloads === undefined ? {} : { directory: downloads }),
      cli: false,
      onProgress: ({ totalSize, downloadedSize }) =>
        onProgress(totalSize > 0 ? downloadedSize / totalSize : 0),
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `The model ${path} could not be fetched (${reason}). Check the address and the network, ` +
        `or download the file yourself and give its path.`,
      { cause: error },
    );
  }
}
