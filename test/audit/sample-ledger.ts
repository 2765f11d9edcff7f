import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { Budget } from "../../src/core/budget/budget.ts";
import type { Charge } from "../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../src/core/budget/ledger-entry.ts";
import { chargeOf as sliceOf } from "../../src/core/budget/slice.ts";
import { createKey, rotateKey, setKeyEnabled } from "../../src/keys/key-table.ts";
import { Chain } from "../../src/ledger/audit/chain.ts";
import type { Checkpoint } from "../../src/ledger/audit/checkpoint.ts";
import { openToAudit } from "../../src/ledger/audit/open.ts";
import { publicKeyPem, type Verifier, verifierOf } from "../../src/ledger/audit/signing-key.ts";
import { verifyQuickly } from "../../src/ledger/audit/verify-quick.ts";
import { type Verdict, verifyLedger } from "../../src/ledger/audit/verify.ts";
import { createStateFolder, ledgerPath, openDatabase } from "../../src/ledger/database.ts";
import { toFields } from "../../src/ledger/entry-fields.ts";
import { EntryWriter } from "../../src/ledger/entry-writer.ts";
import { readState } from "../../src/ledger/restore.ts";
import { writeLimit } from "../../src/ledger/limit-table.ts";
import { inTransaction } from "../../src/ledger/transaction.ts";

export const START_US = Date.UTC(2026, 2, 1) * 1_000;
export const HOUR_US = 3_600_000_000;

/** Multiples of numbers without a common factor, so that no two entries look alike. */
function chargeOf(i: number): Charge {
  return {
    nanoUsd: 1_000 + 13 * i,
    inputTokens: 5 + (i % 11),
    cachedTokens: 1 + (i % 3),
    outputTokens: 7 + (i % 17),
    reasoningTokens: 2 + (i % 5),
    requests: 1,
    // Every third runs where no GPU time is counted.
    gpuUs: (i % 3) * (1_000_003 + 17 * i),
  };
}

/** A ledger in a folder of its own, as a supervisor and commands write it. */
export class SampleLedger {
  readonly stateFolder: string;
  readonly database: DatabaseSync;
  readonly chain: Chain;
  readonly #writer: EntryWriter;
  readonly #budget = new Budget();
  nowUs = START_US;
  #count = 0;

  constructor(stateFolder = join(mkdtempSync(join(tmpdir(), "headgate-audit-")), "state")) {
    this.stateFolder = stateFolder;
    createStateFolder(stateFolder);
    this.database = openDatabase(ledgerPath(stateFolder));
    this.chain = new Chain(this.database);
    this.#writer = new EntryWriter(this.database, this.chain);
  }

  /** Limits and keys, changed until each kind of row and of change is there. */
  administer(): void {
    const { database } = this;
    const limit = { account: "global/acme", unit: "usd" as const };
    writeLimit(database, { ...limit, window: "day@Europe/Berlin", amount: "900000000" });
    writeLimit(database, { ...limit, window: "rolling:7200", amount: "500000000" });
    writeLimit(database, {
      ...limit,
      window: "day@Europe/Berlin",
      amount: "800000000",
      thresholds: [{ percent: 80, action: "notify", priority: null }],
    });
    writeLimit(database, { ...limit, window: "total", amount: "9000000000" });
    writeLimit(database, { ...limit, window: "total", amount: null });
    createKey(database, { account: "global/acme/alice", role: "spend" });
    createKey(database, { account: "global/acme/bob", role: "admin" });
    rotateKey(database, "global/acme/alice");
    setKeyEnabled(database, "global/acme/bob", false);
    inTransaction(database, () => this.#writer.track({ after: 0, nowUs: this.nowUs }));
  }

  /** So many groups of holds of every fate, a quarter of an hour apart. */
  spend(groups: number): void {
    for (let group = 0; group < groups; group++) {
      const entries: LedgerEntry[] = [];
      for (let i = 0; i < 5; i++) entries.push(...this.#hold());
      this.#writer.write(toFields(entries));
      this.nowUs += HOUR_US / 4;
    }
  }

  /** Slices, one in the other, of which something is drawn; the first is closed while that is held, unless it is to stay. */
  slice(name: string, { isClosed }: { isClosed: boolean }): void {
    const budget = this.#budget;
    const account = `global/acme/alice/${name}`;
    const place = { expiresUs: this.nowUs + HOUR_US, priority: null };
    const take = (id: string, below: string): LedgerEntry => {
      const asked = { account: below, priority: null, charge: chargeOf(this.#count) };
      return budget.reserve({ id, model: "small" }, asked, this.nowUs) as LedgerEntry;
    };
    const amounts = sliceOf({ nanoUsd: 100_000, requests: 9 });
    const inner = sliceOf({ nanoUsd: 50_000 });
    const entries = [
      budget.openSlice({ ...place, account, amounts }, this.nowUs) as LedgerEntry,
      take(`${name}/0:0`, account),
      budget.openSlice({ ...place, account: `${account}/inner`, amounts: inner }, this.nowUs) as LedgerEntry,
      take(`${name}/1:0`, `${account}/inner/task`),
      take(`${name}/2:0`, `${account}/inner/task`),
      budget.post(`${name}/0:0`, chargeOf(0), this.nowUs),
      ...(isClosed ? budget.closeSlices(account, this.nowUs) : []),
      budget.void(`${name}/1:0`, this.nowUs),
    ];
    this.#writer.write(toFields(entries));
  }

  /** So many holds of which nobody knows what they came to, but for the last in the end. */
  doubt(holds: number): void {
    const entries: LedgerEntry[] = [];
    let id = "";
    for (let i = 0; i < holds; i++) {
      id = `doubtful${i}/0:0`;
      const asked = { account: "global/acme/alice", priority: null, charge: chargeOf(i) };
      entries.push(this.#budget.reserve({ id, model: "small" }, asked, this.nowUs) as LedgerEntry);
      entries.push(this.#budget.postInDoubt(id, this.nowUs));
    }
    entries.push(this.#budget.adjust(id, chargeOf(0), this.nowUs)!);
    this.#writer.write(toFields(entries));
  }

  /** What that hold came to is learnt, by a supervisor that knows what is in the file and no more. */
  learn(hold: string): void {
    const budget = new Budget(readState(this.database));
    const entry = budget.adjust(hold, chargeOf(0), this.nowUs);
    if (entry === null) throw new Error(`${hold} is not in doubt`);
    new EntryWriter(this.database, this.chain).write(toFields([entry]));
  }

  /** As a supervisor does that stops. */
  stop(): void {
    this.#writer.close();
    this.chain.checkpoint({ balances: true });
  }

  [Symbol.dispose](): void {
    this.database.close();
  }

  #hold(): LedgerEntry[] {
    const i = this.#count++;
    const [id, charge] = [`r${i}/0:0`, chargeOf(i)];
    const asked = {
      account: `global/acme/${i % 2 === 0 ? "alice" : `bob/agent-${i % 3}`}`,
      priority: null,
      charge,
    };
    const budget = this.#budget;
    const reserved = budget.reserve(
      { id, model: i % 4 === 0 ? "small" : "large" },
      asked,
      this.nowUs,
    ) as LedgerEntry;
    const nowUs = this.nowUs + 1_000;
    const laterUs = this.nowUs + HOUR_US / 5;
    const extended = (): LedgerEntry => budget.extend(id, asked, laterUs) as LedgerEntry;
    switch (i % 7) {
      case 0:
        return [reserved];
      case 1:
        return [reserved, budget.void(id, nowUs)];
      case 2:
        return [reserved, extended(), budget.postInDoubt(id, laterUs)];
      case 3:
        // In two parts, of which the first holds more than was used after all.
        return [
          reserved,
          extended(),
          budget.postInDoubt(id, laterUs),
          budget.adjust(id, chargeOf(i - 1), laterUs)!,
        ];
      case 4:
        return [reserved, budget.extend(id, asked, nowUs) as LedgerEntry, budget.post(id, charge, nowUs)];
      case 5:
        return [reserved, budget.post(id, chargeOf(i + 99), nowUs)];
      default:
        return [reserved, budget.post(id, charge, nowUs)];
    }
  }
}

export interface Checking {
  quick?: boolean;
  kept?: Checkpoint | null;
  verifiers?: Verifier[];
}

/** What the auditor says of the ledger in the folder. */
export function audit(
  stateFolder: string,
  { quick = false, kept = null, verifiers }: Checking = {},
): Verdict {
  const pem = publicKeyPem(stateFolder);
  const known = verifiers ?? (pem === null ? [] : [verifierOf(pem)]);
  using database = openToAudit(ledgerPath(stateFolder));
  const verify = quick ? verifyQuickly : verifyLedger;
  return verify(database, { verifiers: known, kept });
}
