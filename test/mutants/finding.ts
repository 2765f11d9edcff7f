/** What the simulator says about a mutant. */
export interface Finding {
  /** The first seed that shows it. */
  seed: number;
  checker: string;
  message: string;
}
