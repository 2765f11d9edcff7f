import type { ResponseReader, Upstream, UpstreamCall, UpstreamRequest } from "./upstream.ts";

/** How long a call may take that carries no generation, in ms. */
const DEADLINE_MS = 10_000;

/**
 * A call that nothing in the core watches over: at its deadline it is aborted, and like any call that
 * is aborted it says no more. So an endpoint that never answers keeps no connection.
 */
export function postBriefly(
  upstream: Upstream,
  { deadlineMs = DEADLINE_MS, ...request }: UpstreamRequest & { deadlineMs?: number },
  reader: ResponseReader,
): UpstreamCall {
  const timer = setTimeout(() => call.abort(), deadlineMs).unref();
  const call = upstream.post(request, {
    head: (status, headers) => reader.head(status, headers),
    data: (chunk) => reader.data(chunk),
    end() {
      clearTimeout(timer);
      reader.end();
    },
    broken(message, wasSent) {
      clearTimeout(timer);
      reader.broken(message, wasSent);
    },
  });
  return {
    pause: () => call.pause(),
    resume: () => call.resume(),
    abort() {
      clearTimeout(timer);
      call.abort();
    },
  };
}
