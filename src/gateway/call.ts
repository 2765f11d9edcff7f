import type { IncomingMessage, ServerResponse } from "node:http";
import type { Caller } from "./access.ts";

/** One call: its request and response, and the id that names it in logs, headers and errors. */
export interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  id: string;
}

/** A call that costs something, and who pays. */
export interface PaidCall extends Call {
  caller: Caller;
}
