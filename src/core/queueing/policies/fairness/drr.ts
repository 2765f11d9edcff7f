import type { Contender, FairnessDefinition, Item, Sharing } from "../../contracts.ts";
import { TOKEN_WEIGHTS, type TokenWeights, tokenWeights, workOf } from "../../token-weights.ts";

export const drr: FairnessDefinition = {
  kind: "fairness",
  name: "drr",
  summary:
    "Deficit round robin: in each round a flow may send packets for a quantum of tokens, and saves what is too little for its next one. Goes by expected lengths, and does not look back.",
  formula:
    "each round deficit += quantum · weight; a packet goes when deficit ≥ input_weight · input + output_weight · expected output, and takes that away; 0 when nothing waits",
  source: "Shreedhar & Varghese, Efficient Fair Queuing Using Deficit Round-Robin, SIGCOMM'95",
  needs: [],
  parameters: {
    quantum: { summary: "What a flow of weight 1 gets in a round.", unit: "tokens", default: 512, min: 1 },
    ...TOKEN_WEIGHTS,
  },
  create: (parameters) => new DeficitRoundRobin(Number(parameters["quantum"]), tokenWeights(parameters)),
};

interface Account {
  /** The last round in which the flow was visited, and what it had left then. */
  round: number;
  deficit: number;
}

/**
 * Rounds are not walked through but reckoned: rank is the round in which the flow's deficit will be enough, so that a
 * quantum that is far too small costs nothing. Within a round flows go in the order in which they joined.
 */
class DeficitRoundRobin implements Sharing {
  readonly #quantum: number;
  readonly #weights: TokenWeights;
  readonly #accounts = new WeakMap<Contender, Account>();
  #round = 0;

  constructor(quantum: number, weights: TokenWeights) {
    this.#quantum = quantum;
    this.#weights = weights;
  }

  rank(flow: Contender): number {
    return this.#accounts.get(flow)!.round + this.#roundsFor(flow, flow.next!);
  }

  joined(flow: Contender): void {
    this.#accounts.set(flow, { round: this.#round, deficit: 0 });
  }

  dispatched(flow: Contender, item: Item): void {
    const account = this.#accounts.get(flow)!;
    const rounds = this.#roundsFor(flow, item);
    account.round += rounds;
    account.deficit += rounds * this.#quantum * flow.weight - workOf(item, this.#weights);
    this.#round = Math.max(this.#round, account.round);
  }

  #roundsFor(flow: Contender, item: Item): number {
    const missing = workOf(item, this.#weights) - this.#accounts.get(flow)!.deficit;
    return Math.max(0, Math.ceil(missing / (this.#quantum * flow.weight)));
  }
}
