/** What one run of a station found: means of its figures by name. */
export type Figures = Record<string, number>;

export interface Outcome {
  /** Of stretches of the run, equally long, one after the other. Their mean is the figure of the run. */
  batches: Batch[];
  /** Figures that have to be taken from the run as a whole, such as quantiles. */
  whole: Figures;
  requests: number;
}

export interface Batch {
  figures: Figures;
  /** What is known to be 0 on average, such as the mean service time less its expectation. */
  controls: number[];
}
