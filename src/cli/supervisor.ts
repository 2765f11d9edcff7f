import { Option } from "commander";
import { request } from "undici";

/** Where a running supervisor is asked. */
export function urlOption(): Option {
  return new Option("--url <url>", "address of the supervisor").default("http://127.0.0.1:1337");
}

/** The supervisor has read what it was asked, and refused it. */
export class RefusedError extends Error {
  override name = "RefusedError";
  /** What it was about, such as a setting's name; null when it does not say. */
  readonly param: string | null;

  constructor(message: string, param: string | null) {
    super(message);
    this.param = param;
  }
}

/** Asks a running supervisor, or tells it something; throws `RefusedError` with its own words when it refuses. */
export async function askSupervisor(url: string, path: string, change?: unknown): Promise<unknown> {
  const key = process.env["HEADGATE_KEY"];
  const headers = {
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    ...(change === undefined ? {} : { "content-type": "application/json" }),
  };
  const asked = change === undefined ? {} : ({ method: "PUT", body: JSON.stringify(change) } as const);
  let answer: { statusCode: number; text: string };
  try {
    const { statusCode, body } = await request(new URL(path, url), { headers, ...asked });
    answer = { statusCode, text: await body.text() };
  } catch (error) {
    throw unreachable(url, (error as Error).message, error);
  }
  const document = parse(answer.text);
  if (answer.statusCode === 200 && document !== null) return document;
  const { error } = (document ?? {}) as { error?: { message?: unknown; param?: unknown } };
  if (typeof error?.message !== "string")
    throw unreachable(url, `it answered with status ${answer.statusCode}`);
  throw new RefusedError(error.message, typeof error.param === "string" ? error.param : null);
}

function unreachable(url: string, why: string, cause?: unknown): Error {
  return new Error(`No supervisor at ${url} (${why}). Start one with npm start, or give --url.`, { cause });
}

/** Null for what is no JSON, which no supervisor sends. */
function parse(text: string): object | null {
  try {
    return JSON.parse(text) as object;
  } catch {
    return null;
  }
}
