import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { nanoOf, usdOf } from "../money.ts";
import {
  type Gateway,
  type GatewayOptions,
  type KeyHeaders,
  type Reason,
  type Standings,
  type TeamWish,
  Unavailable,
} from "./gateway.ts";
import { run } from "./process.ts";

/** For so long it may take to answer whether it is there. */
const LOOK_MS = 10_000;

const AMOUNT = z.union([z.string().regex(/^\d+(\.\d+)?$/), z.number().nonnegative()]);

/** What a file may say about a gateway; its README has an example. */
const DESCRIPTION = z.strictObject({
  name: z.string(),
  urls: z.array(z.url()).min(1),
  quiet_seconds: z.number().positive().default(5),
  headers: z.record(z.string(), z.string()).default({ authorization: "Bearer $KEY" }),
  keys: z.record(z.string(), z.string()).default({}),
  commands: z
    .strictObject({
      open_team: z.string().optional(),
      open_key: z.string().optional(),
      report: z.string().optional(),
      kill: z.string().optional(),
      restart: z.string().optional(),
    })
    .default({}),
});

const REPORT = z.object({ spent_usd: AMOUNT, held_usd: AMOUNT.nullish() });

type Description = z.infer<typeof DESCRIPTION>;

/** A gateway that somebody else has started, and that a file describes: by shell commands, or by keys that are there already. */
export class ByHandGateway implements Gateway {
  readonly about: string;
  readonly urls: readonly string[];
  readonly replicas: number;
  readonly window = { reason: "A gateway that was started by hand is not asked for windows." };
  readonly canBeKilled: boolean;
  readonly quietMs: number;
  readonly #description: Description;
  /** Secrets by account. */
  readonly #secrets = new Map<string, string>();

  private constructor(description: Description) {
    const { name, urls, commands, quiet_seconds: quietSeconds } = description;
    this.#description = description;
    this.about = name;
    this.urls = urls;
    this.replicas = urls.length;
    this.canBeKilled = commands.kill !== undefined && commands.restart !== undefined;
    this.quietMs = quietSeconds * 1_000;
  }

  static async start(path: string, { upstreams }: GatewayOptions): Promise<ByHandGateway> {
    const description = readDescription(path);
    const gateway = new ByHandGateway(description);
    for (const url of description.urls) {
      await fetch(`${url}/models`, { signal: AbortSignal.timeout(LOOK_MS) }).catch(() => {
        throw new Unavailable(
          `Nothing answers at ${url}. Start the gateway in front of ${upstreams.a} (models solo and pair) and ${upstreams.b} (pair); --upstream-port keeps these addresses.`,
        );
      });
    }
    return gateway;
  }

  async open(team: TeamWish): Promise<KeyHeaders | Reason> {
    const { commands, keys, headers: templates } = this.#description;
    const { open_team: openTeam, open_key: openKey } = commands;
    if (team.capNano !== null && openTeam === undefined && openKey !== undefined) {
      return { reason: "No `open_team` is among the commands that describe it." };
    }
    if (openTeam !== undefined) await shell(openTeam, { TEAM: team.name, CAP_USD: usd(team.capNano) });
    const headers: KeyHeaders = new Map();
    for (const { name, capNano } of team.keys) {
      const account = `${team.name}/${name}`;
      const variables = { TEAM: team.name, NAME: name, CAP_USD: usd(capNano) };
      const secret = openKey === undefined ? keys[account] : (await shell(openKey, variables)).trim();
      if (secret === undefined) return { reason: `It has no key ${account}, which needs ${capsOf(team)}.` };
      this.#secrets.set(account, secret);
      const filled = Object.entries(templates).map(([header, value]) => [
        header,
        value.replaceAll("$KEY", secret),
      ]);
      headers.set(name, Object.fromEntries(filled) as Record<string, string>);
    }
    return headers;
  }

  async report({ name, keys }: TeamWish): Promise<Standings | null> {
    const { report } = this.#description.commands;
    if (report === undefined) return null;
    const standings: Standings = new Map();
    for (const key of ["", ...keys.map((each) => each.name)]) {
      const account = key === "" ? name : `${name}/${key}`;
      const variables = { TEAM: name, NAME: key, KEY: this.#secrets.get(account) ?? "" };
      const said = REPORT.parse(JSON.parse(await shell(report, variables)));
      const heldNano = (said.held_usd ?? null) === null ? null : nanoOf(said.held_usd!);
      standings.set(account, { spentNano: nanoOf(said.spent_usd), heldNano });
    }
    return standings;
  }

  async kill(replica: number): Promise<void> {
    await shell(this.#description.commands.kill!, { REPLICA: String(replica) });
  }

  async restart(replica: number): Promise<void> {
    await shell(this.#description.commands.restart!, { REPLICA: String(replica) });
  }

  /** Whoever has started it may want to look at it. */
  stop(): Promise<void> {
    return Promise.resolve();
  }
}

function readDescription(path: string): Description {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    throw new Unavailable(
      `There is no file ${path}. Name headgate, litellm, or a file that describes a gateway.`,
    );
  }
  const read = DESCRIPTION.safeParse(parse(text));
  if (read.success) return read.data;
  throw new Unavailable(`${path} does not describe a gateway:\n${z.prettifyError(read.error)}`);
}

/** As a person sets them up who has no commands for it. */
function capsOf({ name, capNano, keys }: TeamWish): string {
  const caps = keys.map((key) => `${name}/${key.name} with ${cap(key.capNano)}`);
  if (capNano !== null) caps.unshift(`the team ${name} with ${cap(capNano)}`);
  return caps.join(", ");
}

function cap(nano: number | null): string {
  return nano === null ? "no cap" : `a cap of ${usdOf(nano)} USD`;
}

/** Empty for none. */
function usd(nano: number | null): string {
  return nano === null ? "" : usdOf(nano);
}

function shell(command: string, variables: Record<string, string>): Promise<string> {
  return run(["/bin/sh", "-c", command], variables);
}
