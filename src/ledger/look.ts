import type { Log } from "../observability/log.ts";

/** How long a request with an unknown key may hold up all others while the file is looked into, in ms. */
export const LOOK_MS_MAX = 20;

/**
 * False when the file could not be read, or what it says has to be added up first, which is left to the thread that writes:
 * the key is unknown for now. A request must not fail by that, nor fill the log.
 */
export function guardedLook(look: () => boolean, log: Log): () => boolean {
  let isFailing = false;
  return () => {
    try {
      const isAllTold = look();
      isFailing = false;
      return isAllTold;
    } catch (error) {
      if (!isFailing) log.error({ error: (error as Error).message }, "new keys can't be looked for");
      isFailing = true;
      return false;
    }
  };
}
