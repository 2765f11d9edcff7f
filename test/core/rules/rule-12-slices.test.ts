/** Rule 12: a slice is held above until it is closed; below, no more is charged than it has, and it is never charged twice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Accounts, EMPTY_LEDGER, type LedgerState } from "../../../src/core/budget/accounts.ts";
import { NOTHING } from "../../../src/core/budget/charge.ts";
import type { LedgerEntry } from "../../../src/core/budget/ledger-entry.ts";
import { LIMIT_UNITS } from "../../../src/core/budget/limits.ts";
import { placeOfSlice } from "../../../src/core/budget/slice.ts";
import type { AnswerSlice, Effect } from "../../../src/core/effects.ts";
import { Supervisor } from "../../../src/core/supervisor.ts";
import { seconds } from "../../../src/core/units.ts";
import { coreConfig } from "../fixtures.ts";
import { amountIn, mostFor } from "./book.ts";
import { isWithin, partsOf, type SliceBook } from "./slice-book.ts";
import { laterScenes, SlicePlay, type SliceScene, sliceScenes, type Taking } from "./slice-play.ts";

test("something is taken below a slice if it has so much left, and if no limit above is taken further by it than it goes", () => {
  fc.assert(
    fc.property(fc.oneof(sliceScenes, laterScenes), (scene) => {
      play(scene, (acted, taking, result) => {
        const { book, clockUs } = acted;
        const before = used(book, taking, clockUs);
        const undo = pencilIn(book, taking, clockUs);
        const isOverdrawn = book.isOverdrawn();
        const after = used(book, taking, clockUs);
        undo();
        const isOver = after.some(({ row, amount }, i) => {
          return amount > before[i]!.amount && amount > mostFor(row, taking.priority);
        });
        const isClosed = acted.names.some((name) => {
          return /\/s\d+$/.test(name) && isWithin(taking.account, name) && !isOpen(book, name);
        });
        const outcome = result();
        assert.equal("limit" in outcome, isClosed || isOverdrawn || isOver, JSON.stringify(outcome, bigints));
        assert.equal("limit" in outcome && outcome.isClosed === true, isClosed);
      });
    }),
    { numRuns: 1_000 },
  );
});

test("for each limit, what is used is what was posted, what is held, and what nobody has drawn of slices, after every step", () => {
  fc.assert(
    fc.property(sliceScenes, (scene) => {
      play(scene, undefined, ({ budget, book, names, nowUs, clockUs }) => {
        for (const slice of book.slices) {
          assert.deepEqual(
            partsOf(budget.slices.find(slice.account)!.rest),
            book.restOf(slice),
            slice.account,
          );
        }
        assert.equal(budget.slices.size, book.slices.length);
        for (const name of names) {
          for (const { account, limit, posted, held } of budget.remainders(name, nowUs)) {
            const row = { account, ...limit };
            if (account !== name || !book.limits.has(`${account} ${limit.unit} ${limit.window}`)) continue;
            if (isSlicesOwn(book, account, limit.window)) continue;
            assert.equal(posted, book.postedUnder(row, clockUs));
            assert.equal(held, book.heldUnder(row, clockUs));
          }
        }
      });
    }),
    { numRuns: 1_000 },
  );
});

test("over all time, what is posted on an account is its own and that of those below it, closed slices included", () => {
  fc.assert(
    fc.property(sliceScenes, (scene) => {
      const { entries, book, names } = play(scene);
      const read = replayed(scene, entries);
      for (const name of names) {
        const { posted } = read.balance(name, "total", 0);
        const own = LIMIT_UNITS.map((unit) => {
          return book.posted
            .filter(({ account }) => isWithin(account, name))
            .reduce((sum, { charge }) => sum + amountIn(unit, charge), 0n);
        });
        const counted = [
          posted.nanoUsd,
          posted.inputTokens + posted.outputTokens,
          posted.inputTokens,
          posted.outputTokens,
          posted.requests,
          posted.gpuUs,
        ];
        assert.deepEqual(counted.map(BigInt), own, name);
      }
    }),
    { numRuns: 300 },
  );
});

test("the entries alone, read in two lives, give every slice and balance again; when all is closed, nothing is held", () => {
  fc.assert(
    fc.property(sliceScenes, fc.nat(40), (scene, cut) => {
      const acted = play(scene);
      const first = replayed(scene, acted.entries.slice(0, cut));
      // A snapshot is text.
      const after = new Accounts(JSON.parse(JSON.stringify(first.state)) as LedgerState);
      for (const entry of acted.entries.slice(cut)) after.apply(entry);
      assert.deepEqual(
        [...after.holds],
        [...new Map(Array.from(acted.budget.holds, (hold) => [hold.id, hold]))],
      );
      assert.deepEqual(after.state, replayed(scene, acted.entries).state);
      assert.deepEqual([...after.slices.closed], [...acted.budget.slices.closed]);
      const { budget, book } = acted;
      for (const { hold } of acted.open) after.apply(budget.void(hold, acted.nowUs));
      for (const { account } of book.slices) {
        for (const entry of budget.closeSlices(account, acted.nowUs)) after.apply(entry);
      }
      for (const name of acted.names) {
        assert(
          Object.values(after.balance(name, "total", 0).held).every((held) => BigInt(held) === 0n),
          name,
        );
      }
    }),
    { numRuns: 300 },
  );
});

test("slices are told when they are durable, survive a restart as they were, and are closed when their time is over", () => {
  fc.assert(
    fc.property(fc.array(opening, { minLength: 1, maxLength: 6 }), (openings) => {
      const life = new Supervisor(coreConfig());
      const entries: LedgerEntry[] = [];
      const expires = new Map<string, number>();
      let nowUs = 0;
      for (const { above, ttlSeconds, afterSeconds } of openings) {
        nowUs += seconds(afterSeconds);
        // Whose time is over is found closed, whether anybody has looked or not.
        entries.push(...entriesOf(life.handle(nowUs, { kind: "timer_fired" })));
        const parent = [...expires.keys()][above] ?? "global/k";
        const account = `${parent}/s${expires.size}`;
        const amounts = { ...NOTHING, nanoUsd: parent === "global/k" ? 1_000 : 1 };
        const asked = life.handle(nowUs, {
          kind: "slice_asked",
          ask: account,
          account,
          action: "open",
          payer: "global",
          amounts,
          ttlUs: seconds(ttlSeconds),
          priority: null,
        });
        const reserved = entriesOf(asked);
        if (reserved.length === 0) continue;
        entries.push(...reserved);
        assert.equal(answersOf(asked).length, 0);
        assert.equal(
          answersOf(life.handle(nowUs, { kind: "ledger_durable", through: entries.length - 1 })).length,
          0,
        );
        const [told] = answersOf(life.handle(nowUs, { kind: "ledger_durable", through: entries.length }));
        const around = expires.get(parent) ?? Infinity;
        assert.equal(told?.slice?.expiresUs, Math.min(nowUs + seconds(ttlSeconds), around));
        expires.set(account, told.slice.expiresUs);
      }
      const read = new Accounts();
      for (const entry of entries) read.apply(entry);
      const open = read.slices.open.map(({ account }) => account);

      const next = new Supervisor(coreConfig());
      const state = JSON.parse(JSON.stringify(read.state)) as LedgerState;
      const restored = next.handle(nowUs, { kind: "ledger_restored", state, limits: [] });
      assert.deepEqual(entriesOf(restored), []);
      let effects = restored;
      for (let wakeUs = wakeOf(effects); wakeUs !== null; wakeUs = wakeOf(effects)) {
        nowUs = Math.max(nowUs, wakeUs);
        effects = next.handle(nowUs, { kind: "timer_fired" });
        for (const entry of entriesOf(effects)) {
          assert.equal(entry.atUs, expires.get(placeOfSlice(entry.hold)!.account));
          read.apply(entry);
        }
      }
      assert.equal(read.slices.size, 0, `of ${open.join(", ")}`);
      assert.equal(read.balance("global", "total", nowUs).held.nanoUsd, 0n);
    }),
    { numRuns: 300 },
  );
});

const opening = fc.record({
  above: fc.nat(7),
  ttlSeconds: fc.integer({ min: 1, max: 100 }),
  afterSeconds: fc.integer({ min: 0, max: 20 }),
});

function entriesOf(effects: readonly Effect[]): LedgerEntry[] {
  return effects.flatMap((effect) => (effect.kind === "append_ledger" ? [effect.entry] : []));
}

function answersOf(effects: readonly Effect[]): AnswerSlice[] {
  return effects.filter((effect) => effect.kind === "answer_slice");
}

function wakeOf(effects: readonly Effect[]): number | null {
  return effects.find((effect) => effect.kind === "wake")?.atUs ?? null;
}

type Judge = (
  play: SlicePlay,
  taking: Taking,
  result: () => ReturnType<SlicePlay["budget"]["reserve"]>,
) => void;

function play(
  scene: SliceScene,
  judge: Judge = (_play, _taking, result) => void result(),
  look: (play: SlicePlay) => void = () => undefined,
): SlicePlay {
  const acted = new SlicePlay(scene);
  for (const step of scene.steps) {
    acted.step(step, (taking, result) => judge(acted, taking, result));
    look(acted);
  }
  return acted;
}

/** Under each limit on the path of the one that takes. */
function used(book: SliceBook, { account }: Taking, nowUs: number) {
  return book.limitsOn(account).map((row) => ({ row, amount: book.usedUnder(row, nowUs) }));
}

/** Writes it into the book as if it had been taken. Returns how to rub it out. */
function pencilIn(book: SliceBook, { account, charge, slice, hold }: Taking, atUs: number): () => void {
  if (slice === null) {
    const line = { hold, account, atUs, charge };
    book.hold(line);
    return () => void (book.held = book.held.filter((one) => one !== line));
  }
  book.open({ id: slice, account: slice, atUs, amounts: partsOf(charge) });
  return () => void book.slices.pop();
}

function isOpen(book: SliceBook, name: string): boolean {
  return book.slices.some(({ account }) => account === name);
}

/** A limit on a sub-account has the same account as what is left of its slice. */
function isSlicesOwn(book: SliceBook, account: string, window: string): boolean {
  return window === "total" && isOpen(book, account);
}

function replayed(
  { clocks, limits }: SliceScene,
  entries: readonly Parameters<Accounts["apply"]>[0][],
): Accounts {
  const tracked = limits.filter(({ window }) => window !== "total");
  const accounts = new Accounts({ ...EMPTY_LEDGER, zones: [clocks.rules], tracked });
  for (const entry of entries) accounts.apply(entry);
  return accounts;
}

function bigints(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
