import type { PickerDefinition } from "../../contracts.ts";

export const powerOfTwo: PickerDefinition = {
  kind: "picker",
  name: "power-of-two",
  summary:
    "Two candidates at random, and of these the one with fewer sequences, whatever the scores; the first drawn if they have as many.",
  formula: "argmin sequences of two",
  source: "Mitzenmacher, The Power of Two Choices in Randomized Load Balancing (2001)",
  needs: [],
  parameters: {},
  create: () => ({
    pick(candidates, _packet, _totals, { random, signals, nowUs }) {
      const last = candidates.length - 1;
      if (last === 0) return 0;
      const one = random.between(0, last);
      // Of the others: those from `one` on stand one place further.
      const drawn = random.between(0, last - 1);
      const other = drawn < one ? drawn : drawn + 1;
      const sessionsAt = (i: number): number => signals.sessions(candidates[i]!.worker, nowUs);
      return sessionsAt(other) < sessionsAt(one) ? other : one;
    },
  }),
};
