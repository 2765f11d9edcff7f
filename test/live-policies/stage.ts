import assert from "node:assert/strict";
import { APIError } from "openai";
import { patched } from "../../src/config/scheduling-patch.ts";
import type { SchedulingSettings } from "../../src/config/scheduling-schema.ts";
import { FakeUpstream } from "../fakes/fake-upstream.ts";
import { auditAnswer, auditLedger } from "../migration/audit.ts";
import { modelFile, startFleet, type TestFleet } from "../migration/fleet.ts";
import { read, type Reading, story } from "../migration/reading.ts";
import type { WireGeneration } from "../migration/wire-tap.ts";
import { areAlive, until } from "../system/headgate.ts";

const MODEL = "headgate-0.3m";
export const CONTEXT_TOKENS = 512;
/** Another model, which nobody serves but a server that the test speaks for. */
export const ELSEWHERE = "elsewhere";
export const WORKERS = ["one", "two", "three"];
/** Of each worker. */
const SLOTS = 4;
/** What the workers are: every label tells the first from the others. */
const LABELS = [
  { region: "eu", domain: "math", capability: "tools, vision", compliance: "gdpr, hipaa", weight: 2 },
  { region: "us", domain: "law", capability: "tools", compliance: "hipaa", weight: 1 },
  { region: "us", domain: "law", capability: "tools", compliance: "hipaa", weight: 1 },
];
/** Answers are short, and all of the same length: what is looked at is where they come from. */
const TOKENS = 6;

export type Patch = Record<string, Record<string, unknown>>;

export interface Ask {
  headers?: Record<string, string>;
  /** The question; one about a fox that nobody has asked for yet if absent. */
  content?: string;
  maxTokens?: number;
  /** True if absent. */
  streamed?: boolean;
}

/** A real supervisor with three real workers, on which policies are tried one after the other. */
export class Stage {
  readonly fleet: TestFleet;
  /** The server behind `ELSEWHERE`. */
  readonly upstream: FakeUpstream;
  readonly #initial: SchedulingSettings;
  /** Every answer that came from a worker. */
  readonly #readings: Reading[] = [];
  /** Those that have not come back yet, with the addresses they had. */
  readonly #killed = new Map<string, string>();
  readonly #everKilled = new Set<string>();
  #names = 0;
  #isOver = false;

  private constructor(fleet: TestFleet, upstream: FakeUpstream, initial: SchedulingSettings) {
    this.fleet = fleet;
    this.upstream = upstream;
    this.#initial = initial;
  }

  static async start(): Promise<Stage> {
    const upstream = await FakeUpstream.start();
    const fleet = await startFleet({
      model: MODEL,
      workers: LABELS.map((labels) => ({ labels })),
      sections: {
        models: { [MODEL]: { path: modelFile(MODEL), context_tokens: CONTEXT_TOKENS, slots: SLOTS } },
        remotes: [{ name: "remote", url: upstream.url, models: { [ELSEWHERE]: ELSEWHERE } }],
        default_price: { input: 0, output: 1 },
        // Blocks of a size of which several fit into the small model's context.
        placement: { prefix: { block_tokens: 16 } },
        // So little credit that no worker is at the end of a longer answer before we have seen its beginning.
        budgets: { packet_tokens: 16 },
      },
    });
    return new Stage(fleet, upstream, await policiesOf(fleet.headgate.url));
  }

  // ── policies ───────────────────────────────────────────────────────────────────────────

  /** What `GET /admin/policy` shows. */
  shown(): Promise<SchedulingSettings> {
    return policiesOf(this.fleet.headgate.url);
  }

  /** The policies from the start, but for those of the patch; fails where what is shown afterwards is something else. */
  async put(patch: Patch = {}): Promise<void> {
    const response = await this.tryPut(patch);
    assert.equal(response.status, 200, await response.text());
    assert.partialDeepStrictEqual(await this.shown(), patch);
  }

  /** The same, whatever comes of it. */
  tryPut(patch: Patch): Promise<Response> {
    return putPolicies(this.fleet.headgate.url, patched(this.#reset(), patch));
  }

  /** Null takes out what a patch may have put into a map. */
  #reset(): object {
    const { placement, queue, admission, tail } = this.#initial;
    return {
      placement: { ...placement, profiles: { tried: null } },
      queue: { ...queue, tenants: { local: null } },
      admission,
      tail,
    };
  }

  // ── requests ───────────────────────────────────────────────────────────────────────────

  /** Asks by a client of the official library; rejects unless the answer comes whole. */
  async ask({ headers = {}, content, maxTokens = TOKENS, streamed = true }: Ask = {}): Promise<Reading> {
    const client = this.fleet.headgate.client.withOptions({ defaultHeaders: headers });
    const asked = story(this.newName(), maxTokens);
    if (content !== undefined) asked.messages = [{ role: "user", content }];
    const reading = streamed
      ? await read(client, asked)
      : await client.chat.completions
          .create({ ...asked, model: "default", temperature: 0 })
          .withResponse()
          .then(({ data: { choices, usage }, response }) => ({
            request: response.headers.get("x-request-id")!,
            text: choices[0]!.message.content!,
            tokens: [],
            finishReason: choices[0]!.finish_reason,
            completionTokens: usage!.completion_tokens,
          }));
    assert.equal(reading.finishReason, "length");
    assert.equal(reading.completionTokens, maxTokens);
    this.#readings.push(reading);
    return reading;
  }

  /** Rejects unless the request is refused; resolves to the reason. */
  async refusal(ask: Ask): Promise<{ status: number; code: string; reason?: string }> {
    try {
      await this.ask(ask);
    } catch (error) {
      if (!(error instanceof APIError)) throw error;
      const { code, reason } = error.error as { code: string; reason?: string };
      return { status: error.status as number, code, ...(reason === undefined ? {} : { reason }) };
    }
    return assert.fail("an answer came where none was to come");
  }

  /** Of somebody whom no request has been about. */
  newName(): string {
    return `Number ${this.#names++}`;
  }

  /** Asks so often, each time when the answer before has come; resolves to the workers that gave them. */
  async askInTurn(asks: readonly Ask[]): Promise<string[]> {
    const workers: string[] = [];
    for (const ask of asks) workers.push(this.workerOf(await this.ask(ask)));
    return workers;
  }

  /** What went to workers for the sake of that answer, in order. */
  sendingsOf({ request }: Reading): WireGeneration[] {
    return [...this.fleet.tap.generations.values()].filter(({ id }) => id.startsWith(`${request}/`));
  }

  /** Where it was sent, first of all. To be asked before any worker is killed. */
  workerOf(reading: Reading): string {
    return this.fleet.workerAt(this.sendingsOf(reading)[0]!.origin)!;
  }

  // ── workers that stand still, or fall ──────────────────────────────────────────────────

  /** Nothing that is under way comes to an end until `act` does; but for what was on a worker that it has killed. */
  async whileStopped<Result>(
    act: () => Promise<Result>,
    workers: readonly string[] = WORKERS,
  ): Promise<Result> {
    const { headgate } = this.fleet;
    for (const id of workers) headgate.signalWorker(id, "SIGSTOP");
    try {
      return await act();
    } finally {
      for (const id of workers) if (!this.#killed.has(id)) headgate.signalWorker(id, "SIGCONT");
    }
  }

  /** Ends the worker without a warning; another life of it begins soon. */
  kill(id: string): void {
    this.#everKilled.add(id);
    this.#killed.set(id, this.fleet.headgate.workerUrl(id));
    this.fleet.headgate.signalWorker(id, "SIGKILL");
  }

  /** Resolves when those that were killed have come back. */
  async allBack(): Promise<void> {
    const { headgate } = this.fleet;
    const gone = new Set<string>();
    await this.#until(() => {
      // By its absence, or by its next life's address.
      for (const [id, url] of this.#killed) {
        if (!areAlive(headgate, [id]) || headgate.workerUrl(id) !== url) gone.add(id);
      }
      return gone.size === this.#killed.size && areAlive(headgate, WORKERS);
    });
    this.#killed.clear();
  }

  /** Resolves when so many are at workers, and so many wait. */
  underWay({ sessions, waiting = 0 }: { sessions: number; waiting?: number }): Promise<void> {
    return this.#until(() => {
      const { sessions: now, queue } = this.fleet.headgate.inspect();
      return now === sessions && queue.packets === waiting;
    });
  }

  /** A vain wait ends with the test, and so does the process. */
  #until(condition: () => boolean): Promise<void> {
    return until(() => {
      if (this.#isOver) throw new Error("what was waited for did not happen");
      return condition();
    });
  }

  /** Asks one after the other while every slot is taken; resolves to the places in which they are served. */
  async orderOfService(asks: readonly Ask[]): Promise<number[]> {
    const slots = WORKERS.length * SLOTS;
    const { fillers, waiting } = await this.whileStopped(async () => {
      const running = Array.from({ length: slots }, () => this.ask());
      await this.underWay({ sessions: slots });
      const queued: Promise<Reading>[] = [];
      for (const ask of asks) {
        queued.push(this.ask(ask));
        await this.underWay({ sessions: slots, waiting: queued.length });
      }
      return { fillers: running, waiting: queued };
    });
    await Promise.all(fillers);
    const requests = (await Promise.all(waiting)).map(({ request }) => request);
    const sent = [...this.fleet.tap.generations.keys()].map((id) => requests.indexOf(id.split("/")[0]!));
    return sent.filter((place) => place >= 0);
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────

  /** Stops everything, and holds what clients were given against wires, receipts and ledger. */
  async audit(): Promise<void> {
    const { sessions, openHolds, requests, queue } = this.fleet.headgate.inspect();
    assert.deepEqual([sessions, openHolds, requests, queue.packets], [0, 0, 0, 0], "nothing is left");
    const books = await this.fleet.finish();
    for (const reading of this.#readings) auditAnswer(reading, books, this.fleet.tap);
    auditLedger(books);
    assert.equal(new Set(this.#readings.map(({ request }) => request)).size, this.#readings.length);
    for (const { request } of this.#readings) {
      const { attempts, record } = books.requests.get(request)!;
      assert.equal(record?.outcome, "completed");
      const receipts = attempts.map(({ dispatch }) => books.receipts.get(dispatch.attempt));
      // Receipts are written behind answers: a worker that is killed takes its last ones with it.
      const isLost = attempts.some(({ dispatch }, i) => {
        return receipts[i] === undefined && this.#everKilled.has(dispatch.worker);
      });
      if (isLost || record.hedges > 0) continue;
      const generated = receipts.reduce((sum, receipt) => sum + (receipt?.completion_tokens ?? 0), 0);
      assert.equal(generated, record.charged.outputTokens, `receipts of ${request}`);
    }
    const known = new Set([...books.requests.values()].flatMap(attemptsOf));
    for (const id of books.receipts.keys()) assert.ok(known.has(id), `${id} was asked for`);
  }

  async remove(): Promise<void> {
    this.#isOver = true;
    await this.fleet.remove();
    await this.upstream.close();
  }
}

function attemptsOf({ attempts }: { attempts: { dispatch: { attempt: string } }[] }): string[] {
  return attempts.map(({ dispatch }) => dispatch.attempt);
}

async function policiesOf(url: string): Promise<SchedulingSettings> {
  const response = await fetch(`${url}/admin/policy`);
  assert.equal(response.status, 200);
  return (await response.json()) as SchedulingSettings;
}

export function putPolicies(url: string, patch: unknown): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(`${url}/admin/policy`, { method: "PUT", headers, body: JSON.stringify(patch) });
}
