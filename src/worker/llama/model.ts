import type { LlamaContext, LlamaModel } from "node-llama-cpp";
import { LlamaGrammar } from "node-llama-cpp";
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
  Sampling,
  TokenSource,
  Tool,
} from "../engine.ts";
import { GrammarError, NotContinuableError } from "../engine.ts";
import { inSequenceOrder } from "./batch-order.ts";
import { ChatTemplate } from "./chat-template.ts";
import { LlamaDetokenizer } from "./detokenizer.ts";
import { flashAttention } from "./flash-attention.ts";
import { readKvShape } from "./kv-shape.ts";
import { Logprobs } from "./logprobs.ts";
import { Prefill } from "./prefill.ts";
import { evaluateOptions } from "./sampling.ts";
import { chooseSlot } from "./slot-choice.ts";
import { Slot } from "./slot.ts";
import { Steps } from "./steps.ts";
import { stateFingerprint } from "./state-fingerprint.ts";
import { TokenBytes } from "./token-bytes.ts";
import { LlamaTokenSource } from "./token-source.ts";
import { toTokens } from "./token.ts";
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
  readonly #tokenBytes: TokenBytes;
  /** Special tokens that don't end an answer. */
  readonly #unspoken: readonly number[];
  readonly #log: Logger;

  private constructor(options: {
    model: LlamaModel;
    context: LlamaContext;
    steps: Steps;
    description: ModelDescription;
    log: Logger;
  }) {
    this.#model = options.model;
    this.#log = options.log;
    this.#context = options.context;
    this.description = options.description;
    const { model, description } = options;
    this.#tokenizer = new Tokenizer({ model, contextTokens: description.contextTokens });
    this.#template = new ChatTemplate({
      model,
      tokenizer: this.#tokenizer,
      source: model.fileInfo.metadata.tokenizer.chat_template,
    });
    this.#slots = Array.from(
      { length: options.description.slots },
      (_, number) => new Slot({ sequence: options.context.getSequence(), number, steps: options.steps }),
    );
    this.#bytesPerToken = kvBytesPerToken(options.description.kv);
    this.#tokenBytes = new TokenBytes(model);
    this.#unspoken = [...model.iterateAllTokens()].filter(
      (token) => model.getTokenAttributes(token).control && !model.isEogToken(token),
    );
  }

  /** Allocates the whole KV cache: `contextTokens` for each of `slots`. */
  static async create(options: {
    name: string;
    model: LlamaModel;
    modelHash: string;
    contextTokens: number;
    slots: number;
    threads: number;
    log: Logger;
  }): Promise<LlamaEngineModel> {
    const { name, model, modelHash, contextTokens, slots, threads, log } = options;
    const steps = new Steps();
    const context = await model.createContext({
      sequences: slots,
      contextSize: contextTokens,
      threads,
      // Models with sliding windows would otherwise drop the beginning of a prompt, which is
      // the part that the next prompt shares; with it, the formula for the KV size is exact.
      swaFullCache: true,
      flashAttention: flashAttention(model),
      batching: { itemPrioritizationStrategy: (given) => steps.begin(inSequenceOrder(given)) },
    });
    const description: ModelDescription = {
      name,
      contextTokens: Math.min(contextTokens, context.contextSize),
      slots,
      vocabulary: model.fileInfo.metadata.tokenizer.ggml.tokens.length,
      longestTokenBytes: longestTokenBytes(model),
      isChatModel: model.fileInfo.metadata.tokenizer.chat_template !== undefined,
      kv: readKvShape({
        metadata: model.fileInfo.architectureMetadata,
        keyType: context.kvCacheKeyType,
        valueType: context.kvCacheValueType,
      }),
      modelHash,
      stateFingerprint: stateFingerprint({ modelHash, context, sequences: slots }),
    };
    const { kv } = description;
    log.info({ contextTokens, slots, threads, kv, kvBytesPerToken: kvBytesPerToken(kv) }, "model loaded");
    return new LlamaEngineModel({ model, context, steps, description, log });
  }

  renderChat(messages: readonly ChatMessage[], tools: readonly Tool[] = []): number[] {
    return this.#template.tokens(messages, tools);
  }

  tokenize(text: string): number[] {
    return this.#tokenizer.tokens(text);
  }

  detokenizer(prompt: readonly number[]): Detokenizer {
    return new LlamaDetokenizer({ model: this.#model, prompt });
  }

  open(options: OpenOptions): TokenSource[] | null {
    const { samplings, session, logprobs, stateSource } = options;
    const grammar = options.grammar === null ? null : this.#grammar(options.grammar);
    // A grammar's text is complete where nothing but the end may follow.
    const ignoreEnd = options.ignoreEnd && grammar === null;
    if (!ignoreEnd) this.#refuseEnded(options.generated);
    const answers = samplings.map((sampling) => {
      const generated = [...options.generated];
      const contextTokens = this.description.contextTokens;
      return {
        generated,
        sampling: evaluateOptions({
          model: this.#model,
          sampling: this.#withGrammar(sampling, grammar),
          grammar,
          generated,
          contextTokens,
        }),
      };
    });
    const prompt = [...options.prompt, ...options.generated];
    const taken = this.#takeSlots({ prompt, session, count: samplings.length });
    if (taken === null) return null;
    const { slots, cachedTokens } = taken;
    this.counters.prefixQueryTokens += prompt.length;
    this.counters.prefixHitTokens += cachedTokens;
    const { counters } = this;
    const prefill = new Prefill({ slots, prompt, cachedTokens, counters, stateSource, log: this.#log });
    return slots.map(
      (slot, index) =>
        new LlamaTokenSource({
          slot,
          model: this.#model,
          counters,
          prefill,
          prompt,
          ignoreEnd,
          logprobs: logprobs === null ? null : new Logprobs({ bytes: this.#tokenBytes, top: logprobs }),
          ...answers[index]!,
        }),
    );
  }

  #refuseEnded(generated: readonly number[]): void {
    const index = toTokens(generated).findIndex((token) => this.#model.isEogToken(token));
    if (index === -1) return;
    throw new NotContinuableError(`Token number ${index} ends the answer.`);
  }

  /** The first is the best for the prompt; for copies of it any other is as good. */
  #takeSlots(options: {
    prompt: readonly number[];
    session: string | null;
    count: number;
  }): { slots: Slot[]; cachedTokens: number } | null {
    const { prompt, session, count } = options;
    if (this.#slots.filter((slot) => !slot.taken).length < count) return null;
    const slots: Slot[] = [];
    let cachedTokens = 0;
    while (slots.length < count) {
      const isFirst = slots.length === 0;
      const choice = chooseSlot({ slots: this.#slots, prompt: isFirst ? prompt : [], session });
      const slot = choice === null ? undefined : this.#slots[choice.index];
      if (choice === null || slot === undefined) return null;
      if (isFirst) cachedTokens = choice.prefixTokens;
      slot.take(session);
      slots.push(slot);
    }
    return { slots, cachedTokens };
  }

  #grammar(text: string): LlamaGrammar {
    try {
      return new LlamaGrammar(this.#model.llama, { grammar: text });
    } catch (error) {
      throw new GrammarError("The engine can't take this grammar.", { cause: error });
    }
  }

  /** To a grammar a special token's name is text like any other, but it would not be in the answer. */
  #withGrammar(sampling: Sampling, grammar: LlamaGrammar | null): Sampling {
    if (grammar === null || this.#unspoken.length === 0) return sampling;
    const bans = this.#unspoken.map((token) => [token, -100] as const);
    return { ...sampling, logitBias: new Map([...sampling.logitBias, ...bans]) };
  }

  idle(): readonly IdleSlot[] {
    return this.#slots
      .filter((slot) => !slot.taken && slot.kept.length > 0)
      .sort((a, b) => a.idleSinceMs - b.idleSinceMs)
      .map((slot) => ({
        tokens: slot.kept,
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
