import { audit } from "../audit.ts";
import { INPUT_NANO } from "../money.ts";
import type { Scenario } from "../scenario.ts";
import type { Wish } from "../stage.ts";
import { atOnce, roomFor } from "./load.ts";

const CAP_TOKENS = 600;

/** Each on a key of its own: none of them fits as it is, so it has to be cut, shortened or refused. */
export const oversized: Scenario = {
  name: "oversized",
  what: "Requests larger than the cap: by max_tokens, without any, by several choices, by the prompt.",
  async run(stage) {
    const capNano = roomFor(stage, 1, { maxTokens: CAP_TOKENS });
    const large = CAP_TOKENS * 10;
    const shapes: Record<string, Wish> = {
      "max-tokens": { maxTokens: large },
      "max-completion-tokens": { maxTokens: large, maxTokensName: "max_completion_tokens", streamed: true },
      unbounded: { maxTokens: null, tokens: large },
      choices: { maxTokens: CAP_TOKENS / 2, choices: 5 },
      prompt: { maxTokens: 10, padding: Math.ceil((capNano / INPUT_NANO) * 1.1) },
    };
    const names = Object.keys(shapes).slice(0, stage.isQuick ? 3 : Infinity);
    const team = await stage.open({ capNano: null, keys: names.map((name) => ({ name, capNano })) });
    if ("reason" in team) return team;
    const each = 3;
    await atOnce(stage, team, names.length * each, (i) => {
      const key = names[i % names.length]!;
      return { ...shapes[key]!, key, firstMs: 20 };
    });
    return audit(stage, team);
  },
};
