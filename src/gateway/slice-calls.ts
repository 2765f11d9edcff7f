import { readAmount, TermError } from "../administration/terms.ts";
import { type Charge, NOTHING } from "../core/budget/charge.ts";
import { SLICE_PARTS, UNIT_OF } from "../core/budget/slice.ts";
import type { LimitUnit } from "../core/budget/limits.ts";
import type { SliceView } from "../core/effects.ts";
import type { HeadgateError } from "../core/errors.ts";
import { MICROS_PER_MILLI, type Micros, seconds } from "../core/units.ts";
import { type Document, invalid, parseBody } from "../exchange/client-request.ts";
import { isName, NAME_RULE } from "../keys/account-path.ts";
import type { Access, Payer } from "./access.ts";
import { check } from "./admin-body.ts";
import type { Call } from "./call.ts";
import { newSlice } from "./openapi/request-schemas.ts";
import { respondWithJson } from "./respond.ts";
import type { SliceQuestion, SliceQuestions } from "./slice-questions.ts";
import { accountBelow } from "./sub-accounts.ts";

/** As for any other hold: a million USD, and as many of everything else. */
const AMOUNT_MAX = 1e15;

export interface SliceCallsOptions {
  questions: Pick<SliceQuestions, "ask">;
  access: Pick<Access, "nameBelow">;
  refuse: (call: Call, error: HeadgateError) => void;
}

/** `/v1/accounts`: sub-accounts with a slice of the money of a key's account, or of a sub-account of its own. */
export class SliceCalls {
  readonly #options: SliceCallsOptions;

  constructor(options: SliceCallsOptions) {
    this.#options = options;
  }

  open(call: Call, { payer, account: above }: Payer, body: Buffer): void {
    const { access, refuse } = this.#options;
    const parsed = parseBody(body);
    if ("code" in parsed) return refuse(call, parsed);
    const opening = readOpening(parsed.document);
    if ("code" in opening) return refuse(call, opening);
    const { name, amounts, ttlUs } = opening;
    const account = accountBelow(payer, `${above}/${name}`.slice(payer.length + 1), "name");
    if (typeof account !== "string") return refuse(call, account);
    const refusal = access.nameBelow(payer, account);
    if (refusal !== null) return refuse(call, refusal);
    this.#ask(call, payer, { account, action: "open", payer, amounts, ttlUs, priority: null });
  }

  show(call: Call, payer: Payer, path: string): void {
    this.#about(call, payer, { path, action: "show" });
  }

  close(call: Call, payer: Payer, path: string): void {
    this.#about(call, payer, { path, action: "close" });
  }

  #about(call: Call, { payer }: Payer, { path, action }: { path: string; action: "show" | "close" }): void {
    const account = accountBelow(payer, path, "account");
    if (typeof account !== "string") return this.#options.refuse(call, account);
    this.#ask(call, payer, { account, action });
  }

  #ask(call: Call, payer: string, question: SliceQuestion): void {
    const { questions, refuse } = this.#options;
    const status = question.action === "open" ? 201 : 200;
    questions.ask(call.id, question, ({ slice, error }) => {
      if (slice === null) refuse(call, error!);
      else respondWithJson(call.response, call.id, documentOf(slice, payer), status);
    });
  }
}

function readOpening(
  document: Document,
): { name: string; amounts: Charge; ttlUs: Micros | null } | HeadgateError {
  try {
    const { name, amounts, ttl_seconds: ttl } = check(newSlice, document);
    if (!isName(name)) return invalid("name", `\`name\` must be one level of a path: use ${NAME_RULE}.`);
    return { name, amounts: readAmounts(amounts), ttlUs: ttl === undefined ? null : seconds(ttl) };
  } catch (error) {
    if (error instanceof TermError) return invalid(error.param, `${error.message}.`);
    throw error;
  }
}

/** Zero of a unit would forbid it, and is more likely a mistake. */
function readAmounts(given: Readonly<Record<string, string | number | undefined>>): Charge {
  const amounts: Charge = { ...NOTHING };
  for (const part of SLICE_PARTS) {
    const unit = UNIT_OF[part];
    const value = given[unit];
    if (value === undefined) continue;
    const amount = readAmountOf(unit, String(value));
    if (amount <= 0 || amount > AMOUNT_MAX) {
      throw new TermError(
        `amounts.${unit}`,
        `amounts.${unit}: give more than 0, and not more than a million USD or ${AMOUNT_MAX}`,
      );
    }
    amounts[part] = amount;
  }
  if (SLICE_PARTS.every((part) => amounts[part] === 0)) {
    throw new TermError(
      "amounts",
      `amounts: give at least one of ${SLICE_PARTS.map((part) => UNIT_OF[part]).join(", ")}`,
    );
  }
  return amounts;
}

function readAmountOf(unit: LimitUnit, value: string): number {
  try {
    return Number(readAmount(value, unit));
  } catch (error) {
    throw error instanceof TermError ? new TermError(`amounts.${unit}`, error.message) : error;
  }
}

function documentOf(
  { account, status, amounts, remaining, released, expiresUs }: SliceView,
  payer: string,
): object {
  return {
    // As the header `x-headgate-account` takes it.
    name: account.slice(payer.length + 1),
    account,
    status,
    amounts,
    remaining,
    ...(released === undefined ? {} : { released }),
    expires: expiresUs === null ? null : new Date(expiresUs / MICROS_PER_MILLI).toISOString(),
  };
}
