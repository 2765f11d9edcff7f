import { Template } from "@huggingface/jinja";
import type { LlamaModel } from "node-llama-cpp";
import type { ChatMessage } from "../engine.ts";
import { PromptError } from "../engine.ts";
import { InjectionGuard } from "./injection-guard.ts";
import { toTokens } from "./token.ts";

/** The chat template that a GGUF file carries, and the tokens of conversations rendered with it. */
export class ChatTemplate {
  readonly #model: LlamaModel;
  readonly #template: Template | null;
  readonly #guard: InjectionGuard;

  constructor(model: LlamaModel) {
    const source = model.fileInfo.metadata.tokenizer.chat_template;
    this.#model = model;
    this.#template = source === undefined ? null : new Template(source);
    this.#guard = new InjectionGuard(controlTokenTexts(model));
  }

  /** Ends with the words after which the model answers. Throws {@link PromptError}. */
  tokens(messages: readonly ChatMessage[]): number[] {
    const { texts, separator } = this.#guard.protect(messages.map((message) => message.content));
    const rendered = this.#render(
      messages.map((message, index) => ({ role: message.role, content: texts[index] })),
    );
    // The guard's separator stands where a special token would begin to form in a message.
    // Tokenising the pieces on their own makes ordinary text of it; the template's own
    // special tokens lie within pieces and stay whole.
    const tokens = rendered
      .split(separator)
      .flatMap((piece, index) =>
        this.#model.tokenize(piece, true, index === 0 ? undefined : "trimLeadingSpace"),
      );
    return withBos(this.#model, tokens);
  }

  #render(messages: { role: string; content: string | undefined }[]): string {
    if (this.#template === null) {
      throw new PromptError("This model's file has no chat template; send the prompt as text.");
    }
    try {
      return this.#template.render({
        messages,
        add_generation_prompt: true,
        bos_token: this.#model.tokens.bosString ?? "",
        eos_token: this.#model.tokens.eosString ?? "",
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new PromptError(`The model's chat template refuses these messages: ${reason}`);
    }
  }
}

/** Adds the beginning-of-sequence token where the model wants one and the text did not bring it. */
export function withBos(model: LlamaModel, tokens: number[]): number[] {
  const { bos, shouldPrependBosToken } = model.tokens;
  if (!shouldPrependBosToken || bos === null || tokens[0] === bos) return tokens;
  return [bos, ...tokens];
}

/** Texts that become one special token when special tokens are recognised, such as `<|im_start|>`. */
function controlTokenTexts(model: LlamaModel): string[] {
  const texts: string[] = [];
  for (const token of model.iterateAllTokens()) {
    const attributes = model.getTokenAttributes(token);
    if (attributes.control || attributes.unknown) texts.push(model.detokenize(toTokens([token]), true));
  }
  return texts;
}
