import type { ToolCallForm } from "./outbox.ts";

/** A request as a worker of ours can serve it. */
export interface Prompt {
  input: PromptInput;
  sampling: Sampling;
  stop: string[];
  ignoreEos: boolean;
  /** What the answer is confined to; null for nothing. */
  grammar: Grammar | null;
  /** Added to the logits of these token ids; null for none. */
  logitBias: Record<string, number> | null;
  /** How many candidates each token's logprobs tell beside its own; null for no logprobs at all. */
  topLogprobs: number | null;
  /** How the answer will hold calls of tools. */
  toolCalls: ToolCallForm;
}

/** As the wire takes it. */
export type PromptInput =
  | { messages: ChatMessage[]; tools?: ToolDefinition[] }
  | { text: string }
  | { tokens: number[] };

export interface ChatMessage {
  role: string;
  content: string;
  tool_calls?: ToolCall[];
  tool_call_id?: string;
}

export interface ToolCall {
  id: string;
  type: "function";
  function: {
    name: string;
    /** JSON, as it was generated. */
    arguments: string;
  };
}

export interface ToolDefinition {
  type: "function";
  function: {
    name: string;
    description?: string;
    /** JSON schema; without one the function takes nothing. */
    parameters?: Record<string, unknown>;
  };
}

/** As the wire takes it. */
export type Grammar = { json: true } | { json_schema: Record<string, unknown> };

/** Under the names of the wire; what is absent is the worker's choice. */
export interface Sampling {
  temperature?: number;
  top_p?: number;
  top_k?: number;
  min_p?: number;
  seed?: number;
  presence_penalty?: number;
  frequency_penalty?: number;
  repetition_penalty?: number;
}
