import { isNeeded, readScheduling, type SignalSources } from "../config/scheduling-check.ts";
import { changesBetween, patched, type SettingChange } from "../config/scheduling-patch.ts";
import { toScheduling } from "../config/scheduling.ts";
import type { SchedulingSettings } from "../config/scheduling-schema.ts";
import type { CoreConfig, Scheduling } from "../core/config.ts";
import type { HeadgateError } from "../core/errors.ts";
import type { PolicySet } from "../core/events.ts";
import { type Document, invalid } from "../exchange/client-request.ts";
import type { HintRules } from "./hints.ts";

export interface PolicyDeskOptions {
  /** What the supervisor starts with. */
  settings: SchedulingSettings;
  sources: SignalSources;
  timeouts: Pick<CoreConfig["timeouts"], "prefillUs" | "stallUs">;
  submit: (event: PolicySet) => void;
  /** Called before the core hears of other profiles, or of other policies in them. */
  onPlacementChanged: () => void;
  /** Called with what is in force once it was changed here: other supervisors on this port have to hear of it. */
  onChanged: (inForce: SchedulingSettings) => void;
}

/** What is remembered is laid out by these when the supervisor starts. */
const FIXED = ["placement.prefix", "placement.signals"] as const;

/** What `PUT /admin/policy` answers. */
export interface PolicyChange {
  changed: SettingChange[];
  in_force: SchedulingSettings;
}

/** The policies in force: shows them, has them replaced, and says what requests are read for because of them. */
export class PolicyDesk {
  readonly #options: PolicyDeskOptions;
  #inForce: SchedulingSettings;
  #hintRules: HintRules;

  constructor(options: PolicyDeskOptions) {
    this.#options = options;
    this.#inForce = options.settings;
    this.#hintRules = this.#rulesOf(options.settings);
  }

  get inForce(): SchedulingSettings {
    return this.#inForce;
  }

  get hintRules(): HintRules {
    return this.#hintRules;
  }

  /** Puts other policies in force, for requests that wait and run as well; the file is left as it is. */
  change(patch: Document): PolicyChange | HeadgateError {
    const read = readScheduling(patched(this.#inForce, patch), this.#options.sources);
    if ("problems" in read) return refusal(read.problems);
    const changed = changesBetween(this.#inForce, read.settings);
    const fixed = changed.find(({ setting }) => FIXED.some((group) => setting.startsWith(`${group}.`)));
    if (fixed !== undefined) {
      return invalid(fixed.setting, `${fixed.setting} is read at start only: set it in headgate.yaml.`);
    }
    if (changed.length > 0) {
      this.#put(read.settings, changed);
      this.#options.onChanged(read.settings);
    }
    return { changed, in_force: this.#inForce };
  }

  /** Puts in force what was changed, and found to be right, at another supervisor on this port. */
  adopt(settings: SchedulingSettings): void {
    const changed = changesBetween(this.#inForce, settings);
    if (changed.length > 0) this.#put(settings, changed);
  }

  #put(settings: SchedulingSettings, changed: readonly SettingChange[]): void {
    this.#inForce = settings;
    this.#hintRules = this.#rulesOf(settings);
    const scheduling = changedParts(changed, toScheduling(settings));
    if (scheduling.placement !== undefined) this.#options.onPlacementChanged();
    this.#options.submit({ kind: "policy_set", scheduling });
  }

  #rulesOf(settings: SchedulingSettings): HintRules {
    const { queue, placement } = settings;
    const { prefillUs, stallUs } = this.#options.timeouts;
    const priorities = Object.entries({ ...queue.tenants, ...queue.keys }).flatMap(([flow, { priority }]) => {
      return priority === undefined ? [] : [[flow, priority]];
    });
    return {
      bands: queue.bands.map(({ name }) => name),
      priorities: Object.fromEntries(priorities) as Record<string, string>,
      flowHeader: queue.flow_by === "header" ? queue.header : null,
      blockTokens: isNeeded("blocks", settings) ? placement.prefix.block_tokens : null,
      // Beyond the timeouts there is nothing left to hope for.
      slo: toScheduling(settings).placement.slo ?? { ttftUs: prefillUs, tpotUs: stallUs },
    };
  }
}

function refusal([first, ...rest]: { keys: PropertyKey[]; message: string }[]): HeadgateError {
  const words = [first!, ...rest].map(({ keys, message }) => `${keys.join(".")}: ${message}`);
  return invalid(first!.keys.join("."), words.join("\n"));
}

/** Under the core's names: what did not change is left alone, and so is what it has counted. */
function changedParts(changed: readonly SettingChange[], scheduling: Scheduling): Partial<Scheduling> {
  const has = (section: string): boolean => changed.some(({ setting }) => setting.startsWith(`${section}.`));
  const { placement, queueing, admission, tail } = scheduling;
  return {
    ...(has("placement") ? { placement } : {}),
    ...(has("queue") ? { queueing } : {}),
    ...(has("admission") ? { admission } : {}),
    ...(has("tail") ? { tail } : {}),
  };
}
