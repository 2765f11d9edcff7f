import { ScriptedServer } from "./scripted-server.ts";
import type { ScriptedCall } from "./scripted-server.ts";

/** An OpenAI-compatible server that answers what the test says. */
export class FakeUpstream {
  readonly server: ScriptedServer;

  private constructor(server: ScriptedServer) {
    this.server = server;
  }

  static async start(): Promise<FakeUpstream> {
    return new FakeUpstream(await ScriptedServer.start());
  }

  /** Base address as clients configure it. */
  get url(): string {
    return `${this.server.url}/v1`;
  }

  async next(): Promise<FakeCompletion> {
    return new FakeCompletion(await this.server.next());
  }

  close(): Promise<void> {
    return this.server.close();
  }
}

const HEAD = { id: "chatcmpl-upstream", created: 1_700_000_000, model: "upstream-model" };

/** One completion, told what to say. */
export class FakeCompletion {
  readonly call: ScriptedCall;

  constructor(call: ScriptedCall) {
    this.call = call;
  }

  chunk(delta: object, finishReason: string | null = null): void {
    const choices = [{ index: 0, delta, finish_reason: finishReason }];
    this.call.event({ ...HEAD, object: "chat.completion.chunk", choices });
  }

  usage(promptTokens: number, completionTokens: number): void {
    const usage = { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: 0 };
    this.call.event({ ...HEAD, object: "chat.completion.chunk", choices: [], usage });
  }

  done(): void {
    this.call.write("data: [DONE]\n\n");
    this.call.end();
  }

  /** The whole of a streamed answer. */
  stream(...texts: string[]): void {
    this.call.openStream();
    this.chunk({ role: "assistant", content: "" });
    for (const text of texts) this.chunk({ content: text });
    this.chunk({}, "stop");
    this.usage(7, texts.length);
    this.done();
  }

  /** The whole of an answer that is not streamed. */
  document(text: string, finishReason = "stop"): void {
    this.call.json(200, {
      ...HEAD,
      object: "chat.completion",
      choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: finishReason }],
      usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
    });
  }
}
