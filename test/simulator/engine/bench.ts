import type { EngineProfile } from "../../../src/simulator/engine-profiles/engine-profile.ts";
import { Engine } from "../../../src/simulator/engine/engine.ts";
import type { EngineMessage, Generation } from "../../../src/simulator/engine/generation.ts";
import { StepNoise } from "../../../src/simulator/engine/step-time.ts";
import { VirtualTime } from "../../../src/simulator/virtual-time.ts";

/** 1 ms for a step that reads, 1 µs for each token; 100 µs for one that generates, 10 for each sequence and 1 for 100 tokens. */
export const PROFILE: EngineProfile = {
  name: "test",
  source: "test",
  prefillUs: [1_000, 1, 0],
  decodeUs: [100, 10, 0.01],
  kvTokens: 1_000,
  blockTokens: 10,
  sequencesMax: 100,
  contextTokens: 1_000,
  batching: { kind: "mixed", tokensPerStepMax: 100 },
  prefixCache: true,
  startUs: 0,
  bytesPerKvToken: 1,
};

export interface Said {
  atUs: number;
  attempt: string;
  message: EngineMessage;
}

/** An engine by itself, and what it says, at which microsecond after its first step could begin. */
export class EngineBench {
  readonly time = new VirtualTime(0);
  readonly said: Said[] = [];
  /** By attempt, as the engine counts it. */
  readonly served = new Map<string, { prompt: number; output: number }>();
  readonly engine: Engine;

  constructor(
    profile: Partial<EngineProfile> = {},
    options: { perToken?: boolean; burstTokens?: number; deviation?: number } = {},
  ) {
    const { perToken = false, burstTokens = 128, deviation = 0 } = options;
    this.engine = new Engine({
      profile: { ...PROFILE, ...profile },
      time: this.time,
      noise: new StepNoise({ seed: 7, deviation }),
      burstTokens,
      perToken,
      fraction: 0.5,
      served: ({ attempt }, _atUs, { prompt, output }) => {
        const sum = this.served.get(attempt) ?? { prompt: 0, output: 0 };
        this.served.set(attempt, { prompt: sum.prompt + prompt, output: sum.output + output });
      },
    });
  }

  start(attempt: string, given: Partial<Generation> & { promptTokens: number; outputTokens: number }): void {
    const { outputTokens, ...more } = given;
    this.engine.start({
      attempt,
      model: "m",
      slots: 100,
      places: 1,
      blocks: [],
      hashTokens: 10,
      cachedTokens: 0,
      carriedTokens: 0,
      hasState: false,
      isPrefillOnly: false,
      streams: [streamOf(outputTokens)],
      hangsInPrefill: false,
      kvBytes: 0,
      creditTokens: 1_000,
      creditEdge: 500,
      stopsAtCredit: true,
      overbilledTokens: 0,
      isPaused: false,
      send: (message) => this.said.push({ atUs: Math.floor(this.time.nowUs), attempt, message }),
      ...more,
    });
  }

  at(atUs: number, act: () => void): void {
    this.time.at(atUs, act);
  }

  run(): void {
    while (this.time.step(Infinity));
  }

  /** When each attempt said that, and whatever it says it with. */
  times(kind: EngineMessage["kind"]): Record<string, number[]> {
    const times: Record<string, number[]> = {};
    for (const { atUs, attempt, message } of this.said) {
      if (message.kind === kind) (times[attempt] ??= []).push(atUs);
    }
    return times;
  }

  /** Tokens told of each attempt, piece by piece. */
  pieces(): Record<string, number[]> {
    const pieces: Record<string, number[]> = {};
    for (const { attempt, message } of this.said) {
      if (message.kind === "output") (pieces[attempt] ??= []).push(message.tokens.count);
    }
    return pieces;
  }

  usage(attempt: string): Extract<EngineMessage, { kind: "finished" }>["usage"] | undefined {
    for (const each of this.said) {
      if (each.attempt === attempt && each.message.kind === "finished") return each.message.usage;
    }
    return undefined;
  }
}

export function streamOf(outputTokens: number): Generation["streams"][number] {
  return {
    endsAtTokens: outputTokens,
    finishReason: "stop",
    stallsAtTokens: Infinity,
    overrunTokens: 0,
    waitSteps: 0,
    firstToken: 0,
    generatedTokens: 0,
    toldTokens: 0,
    sentTokens: 0,
  };
}
