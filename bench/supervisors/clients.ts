/**
 * Clients that take as little of the machine as they can, for a bench whose subjects share it: a request is rendered
 * once, written as bytes to connections that are kept, and its answer is read for its end. One process of them keeps
 * several supervisors busy.
 */
import { serveParent } from "../child.ts";
import type { Call } from "../data-plane/dialects.ts";
import { Connections } from "./connections.ts";

/** What is asked of these clients: so many calls, so many at a time. */
export interface Lanes {
  url: string;
  call: Call;
  count: number;
  lanes: number;
}

const targets = new Map<string, Connections>();

/** Answers with how long it took in ms, connections open. */
serveParent("clients", {
  load: async (argument) => {
    const { url, call, count, lanes } = argument as Lanes;
    const connections = targets.get(url) ?? new Connections(url);
    targets.set(url, connections);
    await connections.open(lanes);
    const startMs = performance.now();
    await connections.load(call, count);
    return performance.now() - startMs;
  },
});
