/** What a choice among slots needs to know about each. */
export interface SlotView {
  taken: boolean;
  /** Tokens whose keys and values the slot still holds. */
  kept: readonly number[];
  /** The session that used it last. */
  session: string | null;
  /** When it was last given back; 0 when it never was. */
  idleSinceMs: number;
}

export interface SlotChoice {
  index: number;
  /** Tokens at the beginning of the prompt that need no evaluation. */
  prefixTokens: number;
}

/**
 * The free slot to use for a prompt: the one that holds the longest beginning of it, if that
 * is at least half of the prompt. Every conversation with a model begins with the same few
 * tokens of its chat template; taking a slot for those alone would throw away somebody's
 * long conversation while empty slots are left. Otherwise an empty slot, or the one idle for
 * the longest time. The session's own slot is taken among equals.
 */
export function chooseSlot(options: {
  slots: readonly SlotView[];
  prompt: readonly number[];
  session: string | null;
}): SlotChoice | null {
  const { slots, prompt, session } = options;
  let best: (SlotChoice & { worth: number }) | null = null;
  for (const [index, slot] of slots.entries()) {
    if (slot.taken) continue;
    const prefixTokens = reusablePrefix(slot.kept, prompt);
    const worth = prefixTokens * 2 >= prompt.length ? prefixTokens : 0;
    if (best === null || isBetter(slot, worth, best)) best = { index, prefixTokens, worth };
  }
  return best === null ? null : { index: best.index, prefixTokens: best.prefixTokens };

  function isBetter(slot: SlotView, worth: number, than: SlotChoice & { worth: number }): boolean {
    if (worth !== than.worth) return worth > than.worth;
    const rival = slots[than.index];
    if (rival === undefined) return true;
    const own = session !== null && slot.session === session;
    const rivalOwn = session !== null && rival.session === session;
    if (own !== rivalOwn) return own;
    if ((slot.kept.length === 0) !== (rival.kept.length === 0)) return slot.kept.length === 0;
    return slot.idleSinceMs < rival.idleSinceMs;
  }
}

/** Length of the common beginning, leaving at least one token to evaluate: the answer's first token comes from it. */
export function reusablePrefix(kept: readonly number[], prompt: readonly number[]): number {
  const limit = Math.min(kept.length, prompt.length - 1);
  let length = 0;
  while (length < limit && kept[length] === prompt[length]) length++;
  return Math.max(length, 0);
}
