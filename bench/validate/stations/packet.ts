import { NO_HINTS } from "../../../src/core/events.ts";
import { newPacket, newRequest, type Packet } from "../../../src/core/request.ts";
import type { Micros } from "../../../src/core/units.ts";

/** A packet as the core has one when it is to be queued: of a request that is free, held to its end, and all that there is. */
export function packetOf(options: {
  id: string;
  tenant: string;
  model: string;
  band: string | null;
  promptTokens: number;
  maxTokens: number;
  nowUs: Micros;
}): Packet {
  const { id, tenant, model, band, promptTokens, maxTokens, nowUs } = options;
  const request = newRequest({
    arrival: {
      kind: "request_arrived",
      request: id,
      tenant,
      key: null,
      model,
      promptTokensMax: promptTokens,
      bodyBytes: 1,
      maxTokens,
      choices: 1,
      budgetWaitUs: 0,
      streamed: true,
      hints: band === null ? NO_HINTS : { ...NO_HINTS, priority: band },
    },
    model,
    price: { input: 0, cachedInput: 0, output: 0, request: 0 },
    nowUs,
  });
  const packet = newPacket(request, { choice: 0, choices: 1, maxTokens, isOnCredit: false });
  packet.heldTokens = maxTokens;
  return packet;
}
