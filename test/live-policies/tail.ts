import assert from "node:assert/strict";
import type { SchedulingSettings } from "../../src/config/scheduling-schema.ts";
import { both, choiceOf } from "./choices.ts";
import { ELSEWHERE, type Patch, type Stage, WORKERS } from "./stage.ts";

/** A part of the section `tail`, at work. */
interface TailCase {
  does: string;
  patch: Patch;
  check: (stage: Stage) => Promise<void>;
}

const TURNS = choiceOf("picker", "round-robin");
const QUESTION = [{ role: "user" as const, content: "Hello" }];

export const TAIL: Record<keyof SchedulingSettings["tail"], TailCase> = {
  hedge: {
    does: "gets an answer from another worker while one stands still",
    patch: both(choiceOf("profile", "session-affinity"), {
      tail: { hedge: { percentile: 50, share_max: 1, samples_min: 1 } },
    }),
    check: async (stage) => {
      const session = { "x-headgate-session": stage.newName() };
      await stage.ask({ headers: { ...session, "x-headgate-require": "region=eu" } });
      const reading = await stage.whileStopped(() => stage.ask({ headers: session }), ["one"]);
      assert.equal(stage.workerOf(reading), "one", "it was where its session is, first of all");
    },
  },
  breaker: {
    does: "leaves an endpoint alone that fails",
    patch: { tail: { breaker: { failures: 1, successes: 1, open: 3_600 } } },
    check: async (stage) => {
      const { upstream } = stage;
      const ask = () =>
        stage.fleet.headgate.client.chat.completions.create({ model: ELSEWHERE, messages: QUESTION });
      await Promise.all([
        assert.rejects(ask(), { status: 502, code: "upstream_failed" }),
        upstream.next().then(({ call }) => call.json(500, { error: { message: "Something broke." } })),
      ]);
      const waiting = ask();
      await stage.underWay({ sessions: 0, waiting: 1 });
      assert.equal(upstream.server.unread, 0);
      await stage.put({ tail: { breaker: "off" } });
      (await upstream.next()).document("Hello.");
      assert.equal((await waiting).choices[0]?.message.content, "Hello.");
    },
  },
  backoff: {
    does: "tries again what a worker took with it",
    patch: both(TURNS, { tail: { backoff: { base: 0.01, max: 0.02 } } }),
    check: async (stage) => {
      const running = await stage.whileStopped(async () => {
        const asks = WORKERS.map(() => stage.ask());
        await stage.underWay({ sessions: asks.length });
        stage.kill("two");
        return asks;
      });
      const sendings = (await Promise.all(running)).flatMap((reading) => stage.sendingsOf(reading));
      assert.equal(sendings.length, WORKERS.length + 1);
      await stage.allBack();
    },
  },
  migration: {
    does: "has an answer go on where a killed worker left it",
    patch: { tail: { migration: true } },
    check: async (stage) => {
      const { tap, workerAt } = stage.fleet;
      tap.onToken = ({ origin }) => {
        tap.onToken = () => {};
        stage.kill(workerAt(origin)!);
      };
      const [, second, ...others] = stage.sendingsOf(await stage.ask({ maxTokens: 100 }));
      assert.ok((second?.asked.continue?.tokens.length ?? 0) > 0);
      assert.deepEqual(others, []);
      await stage.allBack();
    },
  },
};
