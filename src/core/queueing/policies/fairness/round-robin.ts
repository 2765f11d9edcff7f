import type { Contender, FairnessDefinition, Sharing } from "../../contracts.ts";

export const roundRobin: FairnessDefinition = {
  kind: "fairness",
  name: "round-robin",
  summary: "Flows take turns, one packet each, whatever its size and whatever their weights.",
  formula: "rank = number of the flow's last turn; to join counts as one",
  source: "Classic",
  needs: [],
  parameters: {},
  create: () => new RoundRobin(),
};

class RoundRobin implements Sharing {
  readonly #turns = new WeakMap<Contender, number>();
  #turn = 0;

  rank(flow: Contender): number {
    return this.#turns.get(flow)!;
  }

  joined(flow: Contender): void {
    this.#turns.set(flow, ++this.#turn);
  }

  dispatched(flow: Contender): void {
    this.#turns.set(flow, ++this.#turn);
  }
}
