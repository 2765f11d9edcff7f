import type { LlamaContext, LlamaModel } from "node-llama-cpp";
import type { Logger } from "pino";
import { kvBytesPerToken } from "../../core/fleet/kv.ts";
import type {
  ChatMessage,
  Detokenizer,
  EngineCounters,
  EngineModel,
  IdleSlot,
  ModelDescription,
  OpenOptions,
  TokenSource,
} from "../engine.ts";
import { inSequenceOrder } from "./batch-order.ts";
import { ChatTemplate } from "./chat-template.ts";
import { LlamaDetokenizer } from "./detokenizer.ts";
import { flashAttention } from "./flash-attention.ts";
import { readKvShape } from "./kv-shape.ts";
import { chooseSlot } from "./slot-choice.ts";
import { Slot } from "./slot.ts";
import { LlamaTokenSource } from "./token-source.ts";
import { longestTokenBytes, Tokenizer } from "./tokenizer.ts";

/**
 * A loaded GGUF file with one context, whose sequences are the slots. The library puts what
 * the open generations ask for within one turn of the event loop into one batch, prompt
 * pieces and single tokens alike: that is the continuous batching.
 */
export class LlamaEngineModel implements EngineModel {
  readonly description: ModelDescription;
  readonly counters: EngineCounters = { evaluatedTokens: 0, prefixQueryTokens: 0, prefixHitTokens: 0 };
  readonly #model: LlamaModel;
  readonly #context: LlamaContext;
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate;
  readonly #slots: readonly Slot[];
  readonly #bytesPerToken: number;

  private constructor(options: { model: LlamaModel; context: LlamaContext; description: ModelDescription }) {
    this.#model = options.model;
    this.#context = options.context;
    this.description = options.description;
    const { model, description } = options;
    this.#tokenizer = new Tokenizer({ model, contextTokens: description.contextTokens });
    this.#template = new ChatTemplate({ model, tokenizer: this.#tokenizer });
    this.#slots = Array.from(
      { length: options.description.slots },
      (_, number) => new Slot({ sequence: options.context.getSequence(), number }),
    );
    this.#bytesPerToken = kvBytesPerToken(options.description.kv);
  }

  /** Allocates the whole KV cache: `contextTokens` for each of `slots`. */
  static async create(options: {
    name: string;
    model: LlamaModel;
    contextTokens: number;
    slots: number;
    threads: number;
    log: Logger;
  }): Promise<LlamaEngineModel> {
    const { name, model, contextTokens, slots, threads, log } = options;
    const context = await model.createContext({
      sequences: slots,
      contextSize: contextTokens,
      threads,
      // Models with sliding windows would otherwise drop the beginning of a prompt, which is
      // the part that the next prompt shares; with it, the formula for the KV size is exact.
      swaFullCache: true,
      flashAttention: flashAttention(model),
      batching: { itemPrioritizationStrategy: inSequenceOrder },
    });
    const description: ModelDescription = {
      name,
      contextTokens: Math.min(contextTokens, context.contextSize),
      slots,
      vocabulary: model.fileInfo.metadata.tokenizer.ggml.tokens.length,
      longestTokenBytes: longestTokenBytes(model),
      kv: readKvShape({
        metadata: model.fileInfo.architectureMetadata,
        keyType: context.kvCacheKeyType,
        valueType: context.kvCacheValueType,
      }),
    };
    const { kv } = description;
    log.info({ contextTokens, slots, threads, kv, kvBytesPerToken: kvBytesPerToken(kv) }, "model loaded");
    return new LlamaEngineModel({ model, context, description });
  }

  renderChat(messages: readonly ChatMessage[]): number[] {
    return this.#template.tokens(messages);
  }

  tokenize(text: string): number[] {
    return this.#tokenizer.tokens(text);
  }

  detokenizer(prompt: readonly number[]): Detokenizer {
    return new LlamaDetokenizer({ model: this.#model, prompt });
  }

  open(options: OpenOptions): TokenSource | null {
    const choice = chooseSlot({ slots: this.#slots, prompt: options.prompt, session: options.session });
    const slot = choice === null ? undefined : this.#slots[choice.index];
    if (choice === null || slot === undefined) return null;
    slot.take(options.session);
    this.counters.prefixQueryTokens += options.prompt.length;
    this.counters.prefixHitTokens += choice.prefixTokens;
    return new LlamaTokenSource({
      slot,
      model: this.#model,
      counters: this.counters,
      cachedTokens: choice.prefixTokens,
      contextTokens: this.description.contextTokens,
      open: options,
    });
  }

  idle(): readonly IdleSlot[] {
    return this.#slots
      .filter((slot) => !slot.taken && slot.kept.length > 0)
      .sort((a, b) => a.idleSinceMs - b.idleSinceMs)
      .map((slot) => ({
        idleSinceMs: slot.idleSinceMs,
        kvBytes: Math.ceil(slot.kept.length * this.#bytesPerToken),
        free: () => slot.forget(),
      }));
  }

  async close(): Promise<void> {
    await this.#context.dispose();
    await this.#model.dispose();
  }
}
