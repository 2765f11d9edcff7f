import type { ScorerDefinition } from "../../contracts.ts";
import { inProportion } from "../normalise.ts";

/**
 * Sending a packet somewhere delays it and everybody who is there. It waits for the prompts before its own and for
 * its own; the sequences that generate wait while its prompt is read, and so do those before it, which will
 * generate by then; and as long as it generates, it slows them and they slow it. What it reads takes room in the cache
 * from others, some of whom would have come back for it. A prefix that is cached shortens all of that but the last.
 *
 * Others' delay counts for little by default: engines read in pieces beside generation, and who still waits for a first
 * token is hurt most.
 */
export const marginalDelay: ScorerDefinition = {
  kind: "scorer",
  name: "marginal-delay",
  summary:
    "Prefers the endpoint where the packet adds the least delay, its own and that of others together. All is counted in time, and how fast an endpoint is it learns.",
  formula:
    "min c / c with c = R(P) + R(u) · (1 + evict + stall · S) + decode · 2·d·B·N. R: time to read, which grows with tokens and with their squares; P: prompts in flight, u: own, both without what is cached; S: sequences, B: those of them that generate; d: time that each adds to a token; N: tokens of an answer so far on average",
  source: "Headgate; the product of prompt and batch is LMetric's",
  needs: ["blocks", "latency"],
  parameters: {
    evict: {
      summary: "What is read pushes others out of the cache, who have to read as much again with this chance",
      unit: "",
      default: 0.3,
      min: 0,
      max: 1e3,
    },
    stall: { summary: "Weight of others' waiting for the prompt", unit: "", default: 0.05, min: 0, max: 1e3 },
    decode: { summary: "Weight of slower generation", unit: "", default: 0.01, min: 0, max: 1e3 },
  },
  create: (parameters) => {
    const evict = Number(parameters["evict"]);
    const stall = Number(parameters["stall"]);
    const decode = Number(parameters["decode"]);
    return {
      score(candidates, packet, scores, { signals, nowUs }) {
        for (let i = 0; i < candidates.length; i++) {
          const endpoint = candidates[i]!;
          const { worker } = endpoint;
          const { ahead, own } = signals.readingUs(endpoint, packet, nowUs);
          const sequences = signals.sessions(worker, nowUs);
          const reading = ahead + own * (1 + evict + stall * sequences);
          const batch = signals.decoding(worker, nowUs);
          const writing =
            decode * 2 * signals.usPerSequence(endpoint) * batch * signals.outputTokens(endpoint, packet);
          // One µs more, so that no cost is 0.
          scores[i] = 1 + reading + writing;
        }
        inProportion(scores);
      },
    };
  },
};
