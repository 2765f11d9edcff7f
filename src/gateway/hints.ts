import type { IncomingHttpHeaders } from "node:http";
import { LABEL_RULE, LABELS_MAX, parseLabels } from "../config/labels.ts";
import type { HeadgateError } from "../core/errors.ts";
import type { Hints } from "../core/events.ts";
import { MICROS_PER_MILLI, MILLIS_PER_SECOND } from "../core/units.ts";
import type { Micros } from "../core/units.ts";
import type { Slo } from "../core/vocabulary.ts";
import { invalid } from "../exchange/client-request.ts";
import type { ClientRequest, Document } from "../exchange/client-request.ts";
import { promptBlocks } from "../exchange/prompt-blocks.ts";
import type { Caller } from "./access.ts";

const PRIORITY = "x-headgate-priority";
const SESSION = "x-headgate-session";
const REQUIRE = "x-headgate-require";
const TTFT = "x-headgate-ttft-ms";
const TPOT = "x-headgate-tpot-ms";

/** Where clients name a session in the body: OpenAI's word, and that of others. */
const SESSION_FIELDS = ["prompt_cache_key", "session_id"] as const;
const NAME_LENGTH_MAX = 256;
const LATENCY_MS_MAX = 86_400 * MILLIS_PER_SECOND;

/** What of the policies in force decides how requests are read. */
export interface HintRules {
  /** From the most urgent on. */
  bands: readonly string[];
  /** By tenant, or by tenant/key: the band of requests that name none, and the most urgent they may name. */
  priorities: Readonly<Record<string, string>>;
  /** The header that names a flow; null where flows are found in another way. */
  flowHeader: string | null;
  /** Tokens in a block; null where nobody goes by blocks, and cutting a prompt would be a waste. */
  blockTokens: number | null;
  /** What is hoped for where a request says half of it. */
  slo: Slo;
}

/** Of whom, in which words. */
export interface HintedCall {
  headers: IncomingHttpHeaders;
  caller: Caller;
  asked: ClientRequest;
}

/** What scheduling may go by, from headers and body, or what is wrong with it. */
export function readHints({ headers, caller, asked }: HintedCall, rules: HintRules): Hints | HeadgateError {
  const priority = readPriority(headers[PRIORITY], caller, rules);
  if (isError(priority)) return priority;
  const { flowHeader, blockTokens } = rules;
  const flow = flowHeader === null ? null : readName(flowHeader, headers[flowHeader]);
  if (isError(flow)) return flow;
  const session = readSession(headers[SESSION], asked.document);
  if (isError(session)) return session;
  const labels = readLabels(headers[REQUIRE]);
  if ("error" in labels) return labels.error;
  const slo = readSlo(headers, rules.slo);
  if (isError(slo)) return slo;
  return {
    priority,
    flow,
    // Two tenants that choose the same name don't mean the same session.
    session: session === null ? null : `${caller.tenant}/${session}`,
    labels: labels.labels,
    slo,
    blocks: blockTokens === null ? [] : promptBlocks(asked, blockTokens),
  };
}

type Header = string | string[] | undefined;

function readPriority(
  given: Header,
  { tenant, key }: Caller,
  { bands, priorities }: HintRules,
): string | null | HeadgateError {
  const ownName = key === null ? undefined : ownOf(priorities, `${tenant}/${key}`);
  const usual = ownName ?? ownOf(priorities, tenant) ?? null;
  if (given === undefined || given === usual) return usual;
  const allowed = usual === null ? bands : bands.slice(bands.indexOf(usual));
  const named = allowed.find((band) => band === given);
  return named ?? invalid(PRIORITY, `\`${PRIORITY}\` must be one of ${allowed.join(", ")}.`);
}

function ownOf(record: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function readName(header: string, given: Header): string | null | HeadgateError {
  if (given === undefined) return null;
  if (isName(given)) return given;
  return invalid(header, `\`${header}\` must be a name of at most ${NAME_LENGTH_MAX} characters.`);
}

function readSession(header: Header, document: Document): string | null | HeadgateError {
  if (header !== undefined) return readName(SESSION, header);
  for (const field of SESSION_FIELDS) {
    const given = document[field] ?? null;
    if (given === null) continue;
    if (isName(given)) return given;
    return invalid(field, `\`${field}\` must be a text of 1 to ${NAME_LENGTH_MAX} characters.`);
  }
  return null;
}

function isName(given: unknown): given is string {
  return typeof given === "string" && given !== "" && given.length <= NAME_LENGTH_MAX;
}

type Labels = Hints["labels"];

function readLabels(given: Header): { labels: Labels } | { error: HeadgateError } {
  if (given === undefined) return { labels: {} };
  const labels = parseLabels(String(given));
  if (labels !== null) return { labels };
  const form = `at most ${LABELS_MAX} labels, such as \`region=eu, domain=math\`; ${LABEL_RULE}`;
  return { error: invalid(REQUIRE, `\`${REQUIRE}\` must be ${form}.`) };
}

/** What the request itself says, made whole by what is hoped for otherwise; null where it says nothing. */
function readSlo(headers: IncomingHttpHeaders, otherwise: Slo): Slo | null | HeadgateError {
  const ttftUs = readLatency(TTFT, headers[TTFT]);
  if (isError(ttftUs)) return ttftUs;
  const tpotUs = readLatency(TPOT, headers[TPOT]);
  if (isError(tpotUs)) return tpotUs;
  if (ttftUs === null && tpotUs === null) return null;
  return { ttftUs: ttftUs ?? otherwise.ttftUs, tpotUs: tpotUs ?? otherwise.tpotUs };
}

function readLatency(header: string, given: Header): Micros | null | HeadgateError {
  if (given === undefined) return null;
  const ms = typeof given === "string" && /^\d+(\.\d+)?$/.test(given) ? Number(given) : 0;
  if (ms > 0 && ms <= LATENCY_MS_MAX) return Math.ceil(ms * MICROS_PER_MILLI);
  return invalid(
    header,
    `\`${header}\` must be a number of milliseconds above 0 and at most ${LATENCY_MS_MAX}.`,
  );
}

function isError(value: unknown): value is HeadgateError {
  return typeof value === "object" && value !== null && "code" in value;
}
