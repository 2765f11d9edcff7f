import type {
  Contender,
  FairnessDefinition,
  Item,
  Service,
  Sharing,
} from "../../../src/core/queueing/contracts.ts";
import { ServiceCounter } from "../../../src/core/queueing/service-counter.ts";
import { tokenWeights, TOKEN_WEIGHTS, type TokenWeights } from "../../../src/core/queueing/token-weights.ts";

/**
 * VTC that knows how long answers will be, and counts all of one when it is dispatched: what can't be built, to compare
 * with. `outputTokensOf` says so by the id of a request.
 */
export function vtcOracle(outputTokensOf: (request: string) => number): FairnessDefinition {
  return {
    kind: "fairness",
    name: "vtc-oracle",
    summary: "VTC that counts all of an answer when it is dispatched.",
    formula: "rank = Σ (input_weight · input + output_weight · true output) / weight, with VTC's lift",
    source: "Sheng et al., Fairness in Serving Large Language Models, OSDI'24",
    needs: [],
    parameters: TOKEN_WEIGHTS,
    create: (parameters) => new Oracle(tokenWeights(parameters), outputTokensOf),
  };
}

class Oracle implements Sharing {
  readonly #counter: ServiceCounter;
  readonly #outputTokensOf: (request: string) => number;
  readonly #sent = new WeakMap<Contender, Item[]>();

  constructor(weights: TokenWeights, outputTokensOf: (request: string) => number) {
    this.#counter = new ServiceCounter(weights);
    this.#outputTokensOf = outputTokensOf;
  }

  rank(flow: Contender): number {
    return this.#counter.rank(flow);
  }

  joined(flow: Contender): void {
    this.#counter.joined(flow);
  }

  left(flow: Contender): void {
    this.#counter.left(flow);
  }

  dispatched(flow: Contender, item: Item): void {
    const sent = this.#sent.get(flow) ?? [];
    sent.push(item);
    this.#sent.set(flow, sent);
    this.#counter.charged(flow, { input: 0, output: this.#outputOf(item) });
  }

  charged(flow: Contender, { input }: Service): void {
    this.#counter.charged(flow, { input, output: 0 });
    if (input >= 0) return;
    // The engine had no room for one of these: nothing of it counts.
    const sent = this.#sent.get(flow)!;
    const index = sent.findLastIndex(({ inputTokens }) => inputTokens === -input);
    const [refused] = sent.splice(index, 1);
    this.#counter.charged(flow, { input: 0, output: -this.#outputOf(refused!) });
  }

  #outputOf({ packet }: Item): number {
    return this.#outputTokensOf(packet.request.id);
  }
}
