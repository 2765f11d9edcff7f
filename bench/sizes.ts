/** How much work each bench does. Counts are for one measurement; every one is made once a round. */
export interface Size {
  rounds: number;
  dataPlane: DataPlaneSize;
  worker: WorkerSize;
  core: CoreSize;
  supervisors: SupervisorsSize;
  startUp: StartUpSize;
}

export interface DataPlaneSize {
  /** Requests that are not streamed, and how many of them run at the same time. */
  requests: number;
  requestLanes: number;
  /** Streams of each length, and how many of them run at the same time. */
  shortStreams: number;
  longStreams: number;
  streamLanes: number;
  longTokens: number;
  /** Arrivals a second, each for so long. */
  rates: number[];
  rateSeconds: number;
}

export interface WorkerSize {
  models: string[];
  /** Requests at the same time, and how many each of these lanes makes one after the other. */
  loads: { lanes: number; requestsEach: number }[];
  tokens: number;
}

export interface SupervisorsSize {
  /** Requests that are not streamed, and streams of so many tokens. */
  requests: number;
  streams: number;
  tokens: number;
  /** How many of either run at the same time: enough to saturate four. A stream takes 40 ms, whoever serves it. */
  requestLanes: number;
  streamLanes: number;
  /** Requests, and streams, that each supervisor serves before any count: the same for one as for each of four. */
  warmUp: { requests: number; streams: number };
}

export interface StartUpSize {
  /** In the ledger. */
  entries: number;
  /** Of the tree of accounts, each of which has a limit: how many each has below it, from the root down. */
  branches: number[];
}

export interface CoreSize {
  workers: number[];
  /** Of the tree of accounts: how many each has below it, from the root down. */
  branches: number[];
  /** How long each measurement goes on, at least. */
  measureMs: number;
}

const FULL: Size = {
  rounds: 5,
  dataPlane: {
    requests: 4_000,
    requestLanes: 16,
    shortStreams: 1_600,
    longStreams: 256,
    streamLanes: 64,
    longTokens: 128,
    rates: [200, 1_000],
    rateSeconds: 2.5,
  },
  worker: {
    models: ["headgate-4m", "headgate-0.3m"],
    loads: [
      { lanes: 1, requestsEach: 12 },
      { lanes: 8, requestsEach: 4 },
      { lanes: 32, requestsEach: 2 },
    ],
    tokens: 128,
  },
  // 100,000 leaves on the tenth level, 147,656 accounts in all.
  core: { workers: [10, 100, 1_000], branches: [5, 5, 5, 5, 5, 2, 2, 2, 4], measureMs: 400 },
  supervisors: {
    requests: 16_000,
    streams: 8_000,
    tokens: 8,
    requestLanes: 256,
    streamLanes: 512,
    warmUp: { requests: 40_000, streams: 10_000 },
  },
  startUp: { entries: 10_000_000, branches: [10, 10, 10, 10, 10] },
};

/** For a first look: a minute, and wider spreads. */
const QUICK: Size = {
  rounds: 2,
  dataPlane: {
    ...FULL.dataPlane,
    requests: 2_000,
    shortStreams: 640,
    longStreams: 128,
    rateSeconds: 2,
  },
  worker: {
    ...FULL.worker,
    models: ["headgate-4m"],
    loads: [
      { lanes: 1, requestsEach: 4 },
      { lanes: 8, requestsEach: 2 },
      { lanes: 32, requestsEach: 1 },
    ],
  },
  core: { ...FULL.core, measureMs: 100 },
  supervisors: {
    ...FULL.supervisors,
    requests: 8_000,
    streams: 4_000,
    warmUp: { requests: 20_000, streams: 4_000 },
  },
  startUp: { entries: 1_000_000, branches: [10, 10, 10, 10] },
};

/** For the tests: everything runs, and no figure means anything. */
const SMOKE: Size = {
  rounds: 2,
  dataPlane: {
    requests: 20,
    requestLanes: 4,
    shortStreams: 4,
    longStreams: 4,
    streamLanes: 4,
    longTokens: 16,
    rates: [100],
    rateSeconds: 0.1,
  },
  worker: { models: ["headgate-0.3m"], loads: [{ lanes: 2, requestsEach: 1 }], tokens: 4 },
  core: { workers: [10], branches: [2, 2, 2], measureMs: 2 },
  supervisors: {
    requests: 40,
    streams: 8,
    tokens: 2,
    requestLanes: 8,
    streamLanes: 8,
    warmUp: { requests: 4, streams: 2 },
  },
  startUp: { entries: 1_000, branches: [3, 3] },
};

export const SIZES = { full: FULL, quick: QUICK, smoke: SMOKE } satisfies Record<string, Size>;
