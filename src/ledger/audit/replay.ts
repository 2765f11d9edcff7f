import type { DatabaseSync, StatementSync } from "node:sqlite";
import { Accounts, EMPTY_LEDGER, type LedgerState, type OnPosted } from "../../core/budget/accounts.ts";
import { type Micros, seconds } from "../../core/units.ts";
import { type KeptEntryRow, toEntry } from "../entry-fields.ts";
import { collect } from "../restore.ts";
import { type Share, sumByQuarter } from "../shares.ts";
import { digestOf } from "./checkpoint.ts";

/** What was posted is summed up on disk after so many posts, so that memory does not grow with the ledger. */
const SHARES_MAX = 50_000;
/** Instances of windows that are over are dropped as often, in the ledger's time. */
const FORGETTING_US: Micros = seconds(900);

/** Counts entries from the first on, with the core's own code, and nothing that the file says they add up to. */
export class Replay {
  readonly accounts: Accounts;
  #shares: Share[] = [];
  readonly #addUse: StatementSync | null;
  #forgetUs: Micros = 0;

  /** With a database, use by quarters of an hour is summed up, too, in its temporary table `replayed`. */
  constructor({ zones, tracked }: Pick<LedgerState, "zones" | "tracked">, database: DatabaseSync | null) {
    const onPosted: OnPosted = (...posted) => {
      if (this.#addUse !== null) collect(this.#shares)(...posted);
    };
    // A supervisor forgets the oldest posts in doubt, and finds them again when it starts: any of them may be corrected.
    const state = { ...EMPTY_LEDGER, zones, tracked };
    this.accounts = new Accounts(state, onPosted, { inDoubtMax: Infinity });
    this.#addUse = database === null ? null : prepareUse(database);
  }

  /** Throws where the entry can't have happened. */
  apply(row: KeptEntryRow): void {
    this.accounts.apply(toEntry(row));
    if (this.#shares.length >= SHARES_MAX) this.flush();
    const { clockUs } = this.accounts;
    if (clockUs < this.#forgetUs) return;
    this.accounts.forgetBefore(clockUs);
    this.#forgetUs = clockUs + FORGETTING_US;
  }

  /** So that `replayed` has everything. */
  flush(): void {
    for (const { account, model, quarterUs, sum } of sumByQuarter(this.#shares)) {
      const { nanoUsd, inputTokens, cachedTokens, outputTokens, reasoningTokens, requests, gpuUs } = sum;
      const sums = [nanoUsd, inputTokens, cachedTokens, outputTokens, reasoningTokens, requests, gpuUs];
      this.#addUse!.run(account, quarterUs, model, ...sums);
    }
    this.#shares = [];
  }

  /** What a checkpoint says of balances. */
  digest(): string {
    return digestOf(Array.from(this.accounts.names, (name) => this.accounts.rowsOf(name)[0]!));
  }
}

function prepareUse(database: DatabaseSync): StatementSync {
  const sums = [
    "nano_usd",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "requests",
    "gpu_us",
  ];
  database.exec(`
    DROP TABLE IF EXISTS temp.replayed;
    CREATE TEMP TABLE replayed (
      account TEXT, quarter_us INTEGER, model TEXT, ${sums.map((sum) => `${sum} INTEGER`).join(", ")},
      PRIMARY KEY (account, quarter_us, model)
    ) WITHOUT ROWID`);
  return database.prepare(
    `INSERT INTO replayed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET ${sums.map((sum) => `${sum} = ${sum} + excluded.${sum}`).join(", ")}`,
  );
}
