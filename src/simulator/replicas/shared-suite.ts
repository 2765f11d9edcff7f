import type { Effect } from "../../core/effects.ts";
import type { LimitsChanged, SupervisorEvent } from "../../core/events.ts";
import type { LedgerState } from "../../core/budget/accounts.ts";
import type { LedgerEntry } from "../../core/budget/ledger-entry.ts";
import type { LimitRow } from "../../core/budget/limits.ts";
import type { CoreConfig, Scheduling } from "../../core/config.ts";
import type { Inspection } from "../../core/inspection.ts";
import type { Micros } from "../../core/units.ts";
import type { Rates } from "../../ledger/shared/ledger-keeper.ts";
import type { ReplicaMessage } from "../../ledger/shared/messages.ts";
import type { EndOfWorld, Violate } from "../checkers/checker.ts";
import { GenerationsChecker } from "../checkers/generations.ts";
import { type LifeWatch, watchLife } from "../checkers/life-checkers.ts";
import type { Violation } from "../checkers/suite.ts";
import { requestOf } from "../ids.ts";
import type { WorkerSpec } from "../scenario.ts";
import type { Sighting } from "../sightings.ts";
import { JournalChecker } from "./journal-checker.ts";
import { sliceOf } from "../ids.ts";
import { RatesChecker } from "./rates-checker.ts";
import type { JournalWatcher } from "./keeper-life.ts";
import { type SliceJournalView, SlicesChecker } from "./slices-checker.ts";

/** One life of a replica, as far as it is watched. */
interface Watched {
  readonly life: LifeWatch;
  readonly inspect: () => Inspection;
  nowUs: Micros;
  /** Whoever keeps the ledger does not listen to it any more. */
  hasLeft: boolean;
}

/** What happens where money is shared. */
const SHARED: Partial<Record<SupervisorEvent["kind"], string>> = {
  lease_answered: "leases asked for",
  lease_recalled: "leases recalled",
  doubts_left: "replicas whose doubts were left to others",
  slice_coming: "supervisors told of slices to come",
  slice_closing: "supervisors told of slices to be closed",
};

/** What a replica may not do any more once it has left: others may use what its holds were for. */
const FENCED: ReadonlySet<Effect["kind"]> = new Set(["dispatch", "grant_credit", "relay"] as const);

/** All checkers of a world with several supervisors: those of one life for each of them, and those of money for all together. */
export class SharedSuite implements JournalWatcher {
  readonly violations: Violation[] = [];
  readonly transitions = new Set<string>();
  readonly journal: JournalChecker;
  readonly #config: CoreConfig;
  readonly #workers: readonly WorkerSpec[];
  readonly #happenings = new Map<string, number>();
  readonly #sharing = new Map<string, number>();
  readonly #rates: RatesChecker;
  readonly #slices: SlicesChecker;
  readonly #generations: GenerationsChecker;
  readonly #replicas = new Map<string, Watched>();
  /** Who has a request. */
  readonly #owners = new Map<string, Watched>();
  #nowUs: Micros = 0;

  constructor({ config, workers }: { config: CoreConfig; workers: readonly WorkerSpec[] }) {
    this.#config = config;
    this.#workers = workers;
    const view = (): SliceJournalView => {
      const { durable, slices } = this.journal;
      return { durable, spans: slices.spans, isKnown: (account) => slices.isKnown(account) };
    };
    this.#slices = new SlicesChecker(this.#as("slices"), view, (what) => this.happened(what));
    this.journal = new JournalChecker(this.#as("journal"), {
      ordered: (order, atUs) => {
        if (order.kind === "turn") this.#rates.asked(order, atUs);
      },
      slices: this.#slices.asked,
    });
    this.#rates = new RatesChecker(config.scheduling.admission, this.#as("rates"));
    this.#generations = new GenerationsChecker(() => this.journal.book, this.#as("generations"));
  }

  /** How often happened what only checkers can tell. */
  get happenings(): ReadonlyMap<string, number> {
    return this.#happenings;
  }

  /** What became of leases. */
  get sharing(): ReadonlyMap<string, number> {
    return this.#sharing;
  }

  schedulingOf(replica: string): Scheduling {
    return this.#replicas.get(replica)!.life.knowledge.scheduling;
  }

  happened(what: string): void {
    this.#happenings.set(what, (this.#happenings.get(what) ?? 0) + 1);
  }

  // ── a replica ──────────────────────────────────────────────────────────────────────────

  watch(replica: string, inspect: () => Inspection): void {
    const findings = {
      as: (checker: string) => this.#as(`${checker} of ${replica}`),
      transitions: this.transitions,
      happened: (what: string) => this.happened(what),
    };
    const world = { config: this.#config, workers: this.#workers, isCalm: false, inspect };
    const life = watchLife(world, findings, { isReplica: true });
    this.#replicas.set(replica, { life, inspect, nowUs: 0, hasLeft: false });
  }

  event(replica: string, nowUs: Micros, event: SupervisorEvent): void {
    const watched = this.#replicas.get(replica)!;
    this.#nowUs = watched.nowUs = nowUs;
    if (event.kind === "request_arrived") this.#owners.set(event.request, watched);
    this.#generations.event(nowUs, event);
    if (event.kind === "turn_given") this.#rates.given(event);
    if (event.kind === "slice_asked") this.#slices.event(replica, event);
    const shared = SHARED[event.kind];
    if (shared !== undefined) this.#shared(shared);
    watched.life.knowledge.event(nowUs, event);
    for (const checker of watched.life.checkers) checker.event?.(nowUs, event);
  }

  effects(replica: string, effects: readonly Effect[]): void {
    const watched = this.#replicas.get(replica)!;
    const { nowUs, life } = watched;
    this.#nowUs = nowUs;
    // What is appended counts when the keeper has read it.
    this.#generations.effects(
      nowUs,
      effects.filter(({ kind }) => kind !== "append_ledger"),
    );
    life.knowledge.effects(effects);
    for (const checker of life.checkers) checker.effects?.(nowUs, effects);
    for (const effect of effects) {
      if (effect.kind === "lease_lost") this.#leaseLost(replica, watched);
      if (effect.kind === "answer_slice") this.#slices.answer(effect);
      if (!watched.hasLeft || !FENCED.has(effect.kind)) continue;
      this.#as("fencing")(null, `${replica} has left, and goes on: ${JSON.stringify(effect)}`);
    }
  }

  /** Its process is gone. */
  over(replica: string): void {
    const watched = this.#replicas.get(replica);
    this.#replicas.delete(replica);
    this.#slices.over(replica);
    for (const [request, owner] of this.#owners) if (owner === watched) this.#owners.delete(request);
  }

  #shared(what: string): void {
    this.#sharing.set(what, (this.#sharing.get(what) ?? 0) + 1);
  }

  /** Everybody that it had taken in has been told. */
  #leaseLost(replica: string, { inspect }: Watched): void {
    this.happened("leases lost");
    const { requests } = inspect();
    if (requests > 0) this.#as("fencing")(null, `${replica} gives up with ${requests} requests unanswered`);
  }

  // ── the journal ────────────────────────────────────────────────────────────────────────

  began(nowUs: Micros, read: { state: LedgerState; limits: LimitRow[]; rates: Rates }): void {
    this.#nowUs = nowUs;
    this.#rates.began(read.rates);
    this.journal.began(nowUs, read);
  }

  hasBegun(nowUs: Micros): void {
    this.journal.hasBegun(nowUs);
  }

  limitsChanged(nowUs: Micros, event: LimitsChanged): void {
    this.journal.limitsChanged(nowUs, event);
  }

  ratesChanged(rates: Rates): void {
    this.#rates.changed(rates);
  }

  reading(nowUs: Micros, replica: string, message: ReplicaMessage): void {
    this.journal.reading(nowUs, replica, message);
  }

  read(): void {
    this.journal.read();
  }

  appended(entry: LedgerEntry): void {
    if (entry.inDoubt && !this.journal.isReading) this.#shared("holds of those who left, in doubt");
    this.journal.appended(entry);
    if (sliceOf(entry.hold) !== null) return;
    this.#generations.effects(this.#nowUs, [{ kind: "append_ledger", entry }]);
  }

  joined(replica: string): void {
    this.journal.joined(replica);
  }

  left(replica: string): void {
    this.journal.left(replica);
    const watched = this.#replicas.get(replica);
    if (watched !== undefined) watched.hasLeft = true;
  }

  // ── the world ──────────────────────────────────────────────────────────────────────────

  sighting(sighting: Sighting): void {
    this.journal.sighting(sighting);
    this.#generations.sighting(sighting);
    for (const { life } of this.#concerned(sighting)) {
      for (const checker of life.checkers) checker.sighting?.(sighting);
    }
  }

  #concerned(sighting: Sighting): Iterable<Watched> {
    if (sighting.kind === "entries_durable") return this.#replicas.values();
    const request =
      "request" in sighting ? sighting.request : "attempt" in sighting ? requestOf(sighting.attempt) : "";
    const owner = this.#owners.get(request);
    if (sighting.kind === "request_over") this.#owners.delete(request);
    return owner === undefined ? [] : [owner];
  }

  /** All is over: `ends` says what is left of each replica. */
  end(ends: ReadonlyMap<string, EndOfWorld>): void {
    const [any] = ends.values();
    if (any !== undefined) this.journal.end(any);
    this.#generations.end();
    this.#slices.end();
    for (const [replica, end] of ends) {
      for (const checker of this.#replicas.get(replica)!.life.checkers) checker.end?.(end);
    }
  }

  /** Something is wrong that no checker of one life can see. */
  violate(checker: string, message: string): void {
    this.#as(checker)(null, message);
  }

  #as(checker: string): Violate {
    return (request, message) => {
      this.violations.push({ checker, atUs: this.#nowUs, request, message });
    };
  }
}
