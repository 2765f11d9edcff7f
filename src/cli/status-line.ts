const ERASE_LINE = "\r\u001b[K";
const EVERY_MS = 100;

/** One line on the terminal that is written over while work goes on; nothing where standard error is a file. */
export class StatusLine {
  readonly #isTerminal = process.stderr.isTTY;
  #shownMs = -Infinity;

  /** What comes too soon after the last is left out. */
  show(text: string): void {
    const nowMs = performance.now();
    if (!this.#isTerminal || nowMs - this.#shownMs < EVERY_MS) return;
    this.#shownMs = nowMs;
    process.stderr.write(`${ERASE_LINE}${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  }

  /** Leaves the line empty for what comes next. */
  clear(): void {
    if (this.#isTerminal && this.#shownMs > -Infinity) process.stderr.write(ERASE_LINE);
  }
}
