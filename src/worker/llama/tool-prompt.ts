import type { ChatMessage, Tool, ToolCall } from "../engine.ts";

/** Whether a chat template does something with the tools it is given. */
export function knowsTools(template: string): boolean {
  return /\{[{%][^}]*\btools\b/.test(template);
}

/**
 * A conversation with tools as messages of plain text, in the form of the Hermes models, for
 * templates that have none of their own: tools in the system's message, calls and results in tags.
 */
export function asPlainMessages(messages: readonly ChatMessage[], tools: readonly Tool[]): ChatMessage[] {
  const plain: ChatMessage[] = [];
  let answering = false;
  for (const message of messages) {
    const text = plainContent(message);
    const previous = plain.at(-1);
    // Results of calls made together stand in one turn: many templates want turns to alternate.
    if (message.role === "tool" && answering && previous !== undefined) previous.content += `\n${text}`;
    else plain.push({ role: message.role === "tool" ? "user" : message.role, content: text });
    answering = message.role === "tool";
  }
  if (tools.length === 0) return plain;
  const [first] = plain;
  if (first?.role !== "system") return [{ role: "system", content: toolsText(tools) }, ...plain];
  return [{ role: "system", content: `${first.content}\n\n${toolsText(tools)}` }, ...plain.slice(1)];
}

function plainContent({ role, content, toolCalls = [] }: ChatMessage): string {
  if (role === "tool") return `<tool_response>\n${content}\n</tool_response>`;
  return [...(content === "" ? [] : [content]), ...toolCalls.map(callText)].join("\n");
}

function callText(call: ToolCall): string {
  // What the model wrote goes back as it is, valid or not.
  return `<tool_call>\n{"name": ${JSON.stringify(call.name)}, "arguments": ${call.arguments || "{}"}}\n</tool_call>`;
}

function toolsText(tools: readonly Tool[]): string {
  return `You can call functions. Each line between the tags describes one, with a JSON schema of its arguments:
<tools>
${tools.map((tool) => JSON.stringify(tool)).join("\n")}
</tools>
To call a function, answer with its name and arguments as JSON between these tags, once for each call:
<tool_call>
{"name": "…", "arguments": {…}}
</tool_call>`;
}
