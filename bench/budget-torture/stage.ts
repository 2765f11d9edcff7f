import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../src/core/random.ts";
import { ask, type Outcome, type Question } from "./client.ts";
import { worstCostOf } from "./money.ts";
import type {
  Gateway,
  KeyHeaders,
  Model,
  Reason,
  Standings,
  TeamWish,
  UpstreamName,
} from "./gateways/gateway.ts";
import { type Script, writeScript } from "./script.ts";
import type { Books, Call } from "./upstream/books.ts";
import type { Upstream } from "./upstream/upstream.ts";

const POLL_MS = 20;
const REPORT_POLL_MS = 250;
/** For so long calls may go on after their clients have gone, and a report may change. */
const SETTLE_MS_MAX = 60_000;

/** A request as a scenario describes it. */
export interface Wish extends Omit<Partial<Script>, "id"> {
  model?: Model;
  /** Null: none is sent. `tokens`, if absent, are as many. */
  maxTokens: number | null;
  /** Under which name it is sent. */
  maxTokensName?: "max_tokens" | "max_completion_tokens";
  streamed?: boolean;
  /** Whether a stream's usage is asked for by the client. */
  includeUsage?: boolean;
  choices?: number;
  /** Words that make the prompt longer. */
  padding?: number;
  /** Which replica is called. */
  replica?: number;
  leaveAt?: number;
  /** Hangs up when the upstream has got it. */
  leaveOnArrival?: boolean;
}

/** A team as the gateway has it, and what was asked with its keys. */
export interface OpenTeam {
  readonly wish: TeamWish;
  readonly headers: KeyHeaders;
  /** Names of the requests with each key. */
  readonly asked: Map<string, string[]>;
}

/** What a scenario works with. */
export class Stage {
  readonly gateway: Gateway;
  readonly books: Books;
  readonly upstreams: Record<UpstreamName, Upstream>;
  readonly random: Random;
  /** A first look: less of everything. */
  readonly isQuick: boolean;
  /** How long what goes on and on goes on. */
  readonly stormMs: number;
  readonly outcomes: Outcome[] = [];
  readonly #name: string;
  #asked = 0;

  constructor(options: {
    name: string;
    gateway: Gateway;
    books: Books;
    upstreams: Record<UpstreamName, Upstream>;
    random: Random;
    isQuick: boolean;
    stormMs: number;
  }) {
    this.#name = options.name;
    this.gateway = options.gateway;
    this.books = options.books;
    this.upstreams = options.upstreams;
    this.random = options.random;
    this.isQuick = options.isQuick;
    this.stormMs = options.stormMs;
  }

  /** Named after the scenario, which has one team only. */
  async open(
    wish: Omit<TeamWish, "name" | "window"> & { window?: TeamWish["window"] },
  ): Promise<OpenTeam | Reason> {
    const team: TeamWish = { window: null, ...wish, name: this.#name };
    const headers = await this.gateway.open(team);
    if ("reason" in headers) return headers;
    return { wish: team, headers, asked: new Map(team.keys.map(({ name }) => [name, []])) };
  }

  /** Sends one request with a key of the team. */
  async ask(team: OpenTeam, key: string, wish: Wish): Promise<Outcome> {
    const id = `${this.#name}-${this.#asked++}`;
    team.asked.get(key)!.push(id);
    const leave = new AbortController();
    const asking = ask({ ...this.#question(id, wish), headers: team.headers.get(key)!, leave: leave.signal });
    if (wish.leaveOnArrival === true) void this.#leaveOnArrival(id, asking, leave);
    const outcome = await asking;
    this.outcomes.push(outcome);
    return outcome;
  }

  /** What `ask` can come to at most, as a gateway has to see it that does not know the tokenizer. */
  worstCostOf(wish: Wish & { maxTokens: number }): number {
    const { choices = 1, maxTokens } = wish;
    const content = this.#contentOf(`${this.#name}-${"9".repeat(6)}`, wish);
    return worstCostOf({ content, maxTokens, choices });
  }

  /**
   * Waits until the upstream has no call of the team under way, and the gateway's report is final: nothing is held, or
   * nothing has changed for as long as the gateway may take. Null where it reports nothing.
   */
  async settle(team: OpenTeam): Promise<Standings | null> {
    const { gateway, books } = this;
    const endMs = Date.now() + SETTLE_MS_MAX;
    const ids = [...team.asked.values()].flat();
    while (Date.now() < endMs && books.callsOf(ids).some(({ state }) => state === "open"))
      await sleep(POLL_MS);
    let last: Standings | null = null;
    let sinceMs = Date.now();
    for (;;) {
      const report = await gateway.report(team.wish);
      if (report === null) {
        await sleep(gateway.quietMs);
        return null;
      }
      if (last === null || !isSame(last, report)) sinceMs = Date.now();
      last = report;
      const isFree = [...report.values()].every(({ heldNano }) => heldNano === 0);
      if (isFree || Date.now() - sinceMs >= gateway.quietMs || Date.now() >= endMs) return report;
      await sleep(REPORT_POLL_MS);
    }
  }

  /** Waits until the upstream has made so many tokens for the team, or nothing more is to come. */
  generated(team: OpenTeam, tokens: number, over: Promise<unknown>): Promise<void> {
    const ids = (): string[] => [...team.asked.values()].flat();
    return until(() => sumOf(this.books.callsOf(ids())) >= tokens, over);
  }

  async #leaveOnArrival(id: string, over: Promise<Outcome>, leave: AbortController): Promise<void> {
    await until(() => this.books.callsOf([id]).length > 0, over);
    leave.abort();
  }

  #question(id: string, wish: Wish): Omit<Question, "headers"> {
    const { model = "solo", maxTokens, maxTokensName = "max_tokens", streamed = false, choices } = wish;
    const { urls } = this.gateway;
    const body = {
      model,
      messages: [{ role: "user", content: this.#contentOf(id, wish) }],
      ...(maxTokens === null ? {} : { [maxTokensName]: maxTokens }),
      ...(choices === undefined ? {} : { n: choices }),
      ...(streamed ? { stream: true } : {}),
      ...(streamed && wish.includeUsage === true ? { stream_options: { include_usage: true } } : {}),
    };
    const url = urls[(wish.replica ?? 0) % urls.length]!;
    return { url, body, ...(wish.leaveAt === undefined ? {} : { leaveAt: wish.leaveAt }) };
  }

  #contentOf(id: string, wish: Wish): string {
    const {
      tokens = wish.maxTokens ?? 0,
      firstMs,
      paceMs,
      chunk,
      pauseAt,
      fails,
      how,
      breakAt,
      overbill,
      usage,
    } = wish;
    const script = { firstMs, paceMs, chunk, pauseAt, fails, how, breakAt, overbill, usage };
    const given = Object.fromEntries(Object.entries(script).filter(([, value]) => value !== undefined));
    return writeScript({ id, tokens, ...given }, wish.padding);
  }
}

/** Waits for something that may never come once that is over. */
async function until(condition: () => boolean, over: Promise<unknown>): Promise<void> {
  const ended = new AbortController();
  void over.then(() => ended.abort());
  while (!ended.signal.aborted && !condition()) await sleep(POLL_MS);
}

function sumOf(calls: readonly Call[]): number {
  return calls.reduce((sum, { completionTokens }) => sum + completionTokens, 0);
}

function isSame(one: Standings, other: Standings): boolean {
  return [...one].every(([account, { spentNano, heldNano }]) => {
    const standing = other.get(account);
    return standing?.spentNano === spentNano && standing.heldNano === heldNano;
  });
}
