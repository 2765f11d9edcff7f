import type { IncomingMessage } from "node:http";
import type { HeadgateError } from "../core/errors.ts";
import type { SupervisorEvent } from "../core/events.ts";
import { MICROS_PER_SECOND, seconds } from "../core/units.ts";
import type { Micros } from "../core/units.ts";
import type { Answer } from "../exchange/answer.ts";
import { invalid } from "../exchange/client-request.ts";
import type { ClientRequest } from "../exchange/client-request.ts";
import { Exchange } from "../exchange/exchange.ts";
import type { Exchanges } from "../exchange/exchange.ts";
import { readPrompt } from "../exchange/read-prompt.ts";
import type { Call, PaidCall } from "./call.ts";
import type { ClientStreamOptions } from "./client-stream.ts";
import { readHints } from "./hints.ts";
import type { ModelNames } from "./model-names.ts";
import type { PolicyDesk } from "./policy-desk.ts";
import type { StreamKeeper } from "./stream-keeper.ts";

const BUDGET_WAIT = "x-headgate-budget-wait";

export interface IntakeOptions {
  exchanges: Exchanges;
  names: ModelNames;
  keeper: StreamKeeper;
  policies: Pick<PolicyDesk, "hintRules">;
  submit: (event: SupervisorEvent) => void;
  /** The longest that a client may ask to wait for its budget. */
  budgetWaitMaxUs: Micros;
}

/** A call that was read: what it asks for, and how it wants to be answered. */
export interface Arrival {
  call: PaidCall;
  asked: ClientRequest;
  body: Buffer;
  createAnswer: (client: ClientStreamOptions) => Answer;
}

/** The one way in for whatever generates: from a request to an event, and to an answer that the clients port will fill. */
export class Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Why the request goes no further; null once it is on its way. */
  take({ call, asked, body, createAnswer }: Arrival): HeadgateError | null {
    const { exchanges, names, policies, submit, budgetWaitMaxUs } = this.#options;
    const { id: request, response } = call;
    const budgetWaitUs = readBudgetWait(call.request, budgetWaitMaxUs);
    if (typeof budgetWaitUs !== "number") return budgetWaitUs;
    const prompt = names.isRemote(asked.model) ? null : readPrompt(asked);
    if (prompt !== null && "code" in prompt) return prompt;
    const { headers } = call.request;
    const hints = readHints({ headers, caller: call.caller, asked }, policies.hintRules);
    if ("code" in hints) return hints;
    // The client may have left while its body was still being read: then there is no one to answer.
    if (response.destroyed) return null;

    const answer = createAnswer(this.#client(call));
    exchanges.add(new Exchange({ request, asked, body, prompt, blocks: hints.blocks, answer }));
    response.on("close", () => {
      if (exchanges.end(request) !== undefined) submit({ kind: "client_gone", request });
    });
    submit({
      kind: "request_arrived",
      request,
      ...call.caller,
      model: asked.model,
      promptTokensMax: asked.promptTokensMax,
      bodyBytes: body.length,
      maxTokens: asked.maxTokens,
      choices: asked.choices,
      budgetWaitUs,
      streamed: asked.stream,
      hints,
    });
    return null;
  }

  #client({ response, id: request }: Call): ClientStreamOptions {
    const { exchanges, submit, keeper } = this.#options;
    return {
      response,
      request,
      keeper,
      onBlocked: () => {
        exchanges.get(request)?.block();
        submit({ kind: "client_blocked", request });
      },
      onDrained: () => {
        submit({ kind: "client_drained", request });
        exchanges.get(request)?.unblock();
      },
    };
  }
}

/** How long the client would rather wait for its budget than be refused. */
function readBudgetWait({ headers }: IncomingMessage, maxUs: Micros): Micros | HeadgateError {
  const given = headers[BUDGET_WAIT];
  if (given === undefined) return 0;
  const waitUs = typeof given === "string" && /^\d+(\.\d+)?$/.test(given) ? seconds(Number(given)) : Infinity;
  if (waitUs <= maxUs) return waitUs;
  return invalid(
    BUDGET_WAIT,
    `\`${BUDGET_WAIT}\` must be a number of seconds from 0 to ${maxUs / MICROS_PER_SECOND}.`,
  );
}
