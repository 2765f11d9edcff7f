/** A process of clients: the one of the bench alone could not keep several supervisors busy. */
import { serveParent } from "../child.ts";
import type { Call } from "../data-plane/dialects.ts";
import { Load } from "../data-plane/load.ts";

/** What is asked of these clients: so many calls, so many at a time. */
export interface Lanes {
  url: string;
  call: Call;
  count: number;
  lanes: number;
}

const loads = new Map<string, Load>();

serveParent("clients", {
  load: async (argument) => {
    const { url, call, count, lanes } = argument as Lanes;
    const load = loads.get(url) ?? new Load(url);
    loads.set(url, load);
    await load.lanes(call, { count, lanes });
  },
});
