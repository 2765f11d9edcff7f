/**
 * What the bench asks of a gateway: to be put in front of two upstreams, to hand out keys with caps, to say what it
 * believes was spent, and to be killed. What a gateway can't do, its scenarios leave out and say so.
 */

/** Models that clients ask for, and the upstreams that serve each: `pair` is for retries and failover. */
export const MODELS = { solo: ["a"], pair: ["a", "b"] } as const;
export type Model = keyof typeof MODELS;
export type UpstreamName = (typeof MODELS)[Model][number];

/** Caps are in nano-USD. Null stands for none. */
export interface KeyWish {
  name: string;
  capNano: number | null;
}

/** A team and its keys: what a key spends counts for its team, too. */
export interface TeamWish {
  /** No team is asked for twice. */
  name: string;
  capNano: number | null;
  keys: readonly KeyWish[];
  /** Of all caps in it; null for one that lasts for ever. */
  window: Window | null;
}

export interface Window {
  /** As the gateway calls it. */
  name: string;
  /** When the window that contains this instant ends: milliseconds since 1970, both. */
  endMs: (atMs: number) => number;
  /** How long after that a gateway may take to notice. */
  graceMs: number;
}

/** Why something was not done, as a sentence. */
export interface Reason {
  reason: string;
}

/** Headers of the requests with each key, by its name. */
export type KeyHeaders = Map<string, Record<string, string>>;

/** What the gateway believes of an account, over all time; in nano-USD. */
export interface Standing {
  spentNano: number;
  /** Reserved for requests under way; null where the gateway does not say. */
  heldNano: number | null;
}

/** By account: the team's name, or `team/key`. */
export type Standings = Map<string, Standing>;

export interface Gateway {
  /** Name and version, for the report. */
  readonly about: string;
  /** Base addresses with `/v1`, one for each replica that has its own. May change with a restart. */
  readonly urls: readonly string[];
  readonly replicas: number;
  /** The shortest window that a test can wait for, or why there is none. */
  readonly window: Window | Reason;
  /** Whether `kill` and `restart` work. */
  readonly canBeKilled: boolean;
  /** A report that stays the same for so long is final; one that says that nothing is held is so at once. */
  readonly quietMs: number;
  /** Resolves once caps are in force. Null where this gateway has no place for such a team, and `reason` why. */
  open(team: TeamWish): Promise<KeyHeaders | Reason>;
  /** Null where the gateway does not say. */
  report(team: TeamWish): Promise<Standings | null>;
  /** Ends one replica with SIGKILL. */
  kill(replica: number): Promise<void>;
  /** Resolves when it serves again. */
  restart(replica: number): Promise<void>;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  upstreams: Record<UpstreamName, string>;
  replicas: number;
}

/** A gateway that can't be started here, and what would help. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
}
