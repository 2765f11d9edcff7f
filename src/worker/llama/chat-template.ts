import { Template } from "@huggingface/jinja";
import type { LlamaModel } from "node-llama-cpp";
import type { ChatMessage } from "../engine.ts";
import { PromptError } from "../engine.ts";
import { InjectionGuard } from "./injection-guard.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { controlTokenTexts } from "./tokenizer.ts";

/** The chat template that a GGUF file carries, and the tokens of conversations rendered with it. */
export class ChatTemplate {
  readonly #model: LlamaModel;
  readonly #tokenizer: Tokenizer;
  readonly #template: Template | null;
  readonly #guard: InjectionGuard;

  constructor(options: { model: LlamaModel; tokenizer: Tokenizer }) {
    const { model, tokenizer } = options;
    const source = model.fileInfo.metadata.tokenizer.chat_template;
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#template = source === undefined ? null : new Template(source);
    this.#guard = new InjectionGuard(controlTokenTexts(model));
  }

  /** Ends with the words after which the model answers. Throws {@link PromptError} or PromptTooLongError. */
  tokens(messages: readonly ChatMessage[]): number[] {
    const contents = messages.map((message) => message.content);
    this.#tokenizer.refuseHopeless(contents.join(""));
    const { texts, separator } = this.#guard.protect(contents);
    const rendered = this.#render(
      messages.map((message, index) => ({ role: message.role, content: texts[index] })),
    );
    // The guard's separator stands where a special token would begin to form in a message.
    // Tokenising the pieces on their own makes ordinary text of it; the template's own
    // special tokens lie within pieces and stay whole.
    return this.#tokenizer.join(rendered.split(separator));
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
