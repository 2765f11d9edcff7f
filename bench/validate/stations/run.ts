import { runChoicesStation } from "./choices-station.ts";
import { runFairnessStation } from "./fairness-station.ts";
import { runFanOutStation, runHedgingStation } from "./hedging-station.ts";
import { runLineStation } from "./line-station.ts";
import type { Outcome } from "./outcome.ts";
import { runPreemptiveStation } from "./preemptive-station.ts";
import { runSharingStation } from "./sharing-station.ts";
import { runSupervisorStation } from "./supervisor-station.ts";
import { runTandemStation } from "./tandem-station.ts";

const STATIONS = {
  line: runLineStation,
  sharing: runSharingStation,
  preemptive: runPreemptiveStation,
  choices: runChoicesStation,
  tandem: runTandemStation,
  hedging: runHedgingStation,
  "fan-out": runFanOutStation,
  fairness: runFairnessStation,
  supervisor: runSupervisorStation,
} as const;

type StationName = keyof typeof STATIONS;

/** One run of a station, as it is handed to a thread. */
export type StationRun = {
  [Name in StationName]: { station: Name; options: Parameters<(typeof STATIONS)[Name]>[0] };
}[StationName];

export function runStation(run: StationRun): Outcome {
  return (STATIONS[run.station] as (options: StationRun["options"]) => Outcome)(run.options);
}
