import { Template } from "@huggingface/jinja";
import type { LlamaModel } from "node-llama-cpp";
import type { ChatMessage, Tool } from "../engine.ts";
import { PromptError } from "../engine.ts";
import { InjectionGuard } from "./injection-guard.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { controlTokenTexts } from "./tokenizer.ts";
import { asPlainMessages, knowsTools } from "./tool-prompt.ts";

/** What templates know under these names. */
interface TemplateInput {
  messages: unknown[];
  tools?: unknown[];
}

/** Gets every text that a client wrote, always in the same order. */
type Replace = (text: string) => string;

/** The chat template that a GGUF file carries, and the tokens of conversations rendered with it. */
export class ChatTemplate {
  readonly #model: LlamaModel;
  readonly #tokenizer: Tokenizer;
  readonly #template: Template | null;
  readonly #knowsTools: boolean;
  readonly #guard: InjectionGuard;

  constructor(options: { model: LlamaModel; tokenizer: Tokenizer; source: string | undefined }) {
    const { model, tokenizer, source } = options;
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#template = source === undefined ? null : new Template(source);
    this.#knowsTools = source !== undefined && knowsTools(source);
    this.#guard = new InjectionGuard(controlTokenTexts(model));
  }

  /** Ends with the words after which the model answers. Throws {@link PromptError} or PromptTooLongError. */
  tokens(messages: readonly ChatMessage[], tools: readonly Tool[]): number[] {
    const written: string[] = [];
    this.#input(messages, tools, (text) => {
      written.push(text);
      return text;
    });
    this.#tokenizer.refuseHopeless(written.join(""));
    const { texts, separator } = this.#guard.protect(written);
    const guarded = texts.values();
    const rendered = this.#render(this.#input(messages, tools, () => guarded.next().value ?? ""));
    // The guard's separator stands where a special token would begin to form in a message.
    // Tokenising the pieces on their own makes ordinary text of it; the template's own
    // special tokens lie within pieces and stay whole.
    return this.#tokenizer.join(rendered.split(separator));
  }

  #input(messages: readonly ChatMessage[], tools: readonly Tool[], replace: Replace): TemplateInput {
    if (!this.#knowsTools) {
      const plain = asPlainMessages(messages, tools);
      return { messages: plain.map(({ role, content }) => ({ role, content: replace(content) })) };
    }
    return {
      messages: messages.map((message) => templateMessage(message, replace)),
      ...(tools.length === 0 ? {} : { tools: tools.map((tool) => replaceTexts(tool, replace)) }),
    };
  }

  #render(input: TemplateInput): string {
    if (this.#template === null) {
      throw new PromptError("This model's file has no chat template; send the prompt as text.");
    }
    try {
      return this.#template.render({
        ...input,
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

/** In OpenAI's names, which templates use, but for arguments: those they write as JSON themselves. */
function templateMessage(message: ChatMessage, replace: Replace): object {
  const { role, content, toolCalls, toolCallId } = message;
  return {
    role,
    content: replace(content),
    ...(toolCallId === undefined ? {} : { tool_call_id: replace(toolCallId) }),
    ...(toolCalls === undefined
      ? {}
      : {
          tool_calls: toolCalls.map((call) => ({
            id: replace(call.id),
            type: "function",
            function: {
              name: replace(call.name),
              arguments: replaceTexts(parsedArguments(call.arguments), replace),
            },
          })),
        }),
  };
}

/** An object, or the text itself where the model wrote something else. */
function parsedArguments(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : text;
  } catch {
    return text;
  }
}

/** The same data with every text in it replaced, names of properties included. */
function replaceTexts(value: unknown, replace: Replace): unknown {
  if (typeof value === "string") return replace(value);
  if (Array.isArray(value)) return value.map((item) => replaceTexts(item, replace));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(entries.map(([name, inner]) => [replace(name), replaceTexts(inner, replace)]));
}
